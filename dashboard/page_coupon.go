package dashboard

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/report"
)

// couponView is one coupon.
type couponView struct {
	coupon report.Coupon
	at     time.Time
	form   couponForm
}

// A couponForm is what the forms of a coupon hold: those that add one or a file of them, and the one that ends one.
type couponForm struct {
	mistakes

	programs, partners                              []report.Choice
	Program, Partner                                int64
	Code, Kind, From, Until, LeakedFrom, Note, File string
	Exclusive                                       bool
	lines                                           []partners.CouponLine
}

// time reads a time as an input of type datetime-local has it, in UTC; zero where it is empty.
func (f *couponForm) time(name, value string) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(formTime, value)
	if err != nil {
		f.problems = append(f.problems, fault.Wrong(name, text.WrongTime(value), text.FixTime()))
	}
	return t
}

func (s *Server) newCouponPage(c echo.Context, v *visit) error {
	return s.showNewCoupon(c, v, http.StatusOK, couponForm{Kind: string(program.CouponCode)})
}

func (s *Server) showNewCoupon(c echo.Context, v *visit, status int, form couponForm) error {
	if err := s.loadCouponForm(c, v, &form); err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.CouponsNew(), newCouponPage(form))
}

// loadCouponForm reads what a form offers to choose from.
func (s *Server) loadCouponForm(c echo.Context, v *visit, form *couponForm) error {
	v.path = "/merchant/coupons" // also where it answers a form
	ctx := c.Request().Context()
	return s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if form.programs, err = r.OwnPrograms(ctx); err != nil {
			return err
		}
		form.partners, err = r.Owners(ctx)
		return err
	})
}

// addCoupon adds a coupon.
func (s *Server) addCoupon(c echo.Context, v *visit) error {
	form := couponForm{
		Code: c.FormValue("code"), Kind: c.FormValue("kind"), Exclusive: c.FormValue("exclusive") == "yes",
		From: c.FormValue("from"), Until: c.FormValue("until"), Note: c.FormValue("note"),
	}
	var ok bool
	if form.Program, ok = report.ParseID(c.FormValue("program")); !ok {
		return notFound()
	}
	if owner := c.FormValue("partner"); owner != "" {
		if form.Partner, ok = report.ParseID(owner); !ok {
			return notFound()
		}
	}
	n := partners.NewCoupon{
		Code: form.Code, Kind: program.CouponKind(form.Kind), Partner: program.PartnerID(form.Partner), Exclusive: form.Exclusive,
		From: form.time("from", form.From), Until: form.time("until", form.Until), Note: form.Note,
	}
	if len(form.problems) > 0 {
		return s.showNewCoupon(c, v, http.StatusUnprocessableEntity, form)
	}
	added, err := s.access.AddCoupon(c.Request().Context(), v.scope(), program.ProgramID(form.Program), v.login.Email, n)
	if err != nil {
		f := fault.Of(err)
		if form.problems = f.Fields; len(f.Fields) == 0 {
			return err
		}
		return s.showNewCoupon(c, v, f.Status(), form)
	}
	if added.Already {
		s.flash(c, v.text.CouponsThereAlready())
	} else {
		s.flash(c, v.text.CouponsAdded(v.text.Second(added.From)))
	}
	return s.redirect(c, couponURL(int64(added.ID)))
}

func couponURL(id int64) string { return "/merchant/coupons/" + strconv.FormatInt(id, 10) }

func (s *Server) couponFilePage(c echo.Context, v *visit) error {
	return s.showCouponFile(c, v, http.StatusOK, couponForm{})
}

func (s *Server) showCouponFile(c echo.Context, v *visit, status int, form couponForm) error {
	if err := s.loadCouponForm(c, v, &form); err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.CouponsFile(), couponFilePage(form))
}

// addCouponFile adds a file of coupons, and says of each line what became of it.
func (s *Server) addCouponFile(c echo.Context, v *visit) error {
	form := couponForm{File: c.FormValue("file")}
	var ok bool
	if form.Program, ok = report.ParseID(c.FormValue("program")); !ok {
		return notFound()
	}
	var err error
	form.lines, err = s.access.AddCouponFile(c.Request().Context(), v.scope(), program.ProgramID(form.Program), v.login.Email, []byte(form.File))
	if err != nil {
		return err
	}
	switch added, _, wrong := form.counts(); {
	case wrong > 0:
		return s.showCouponFile(c, v, http.StatusUnprocessableEntity, form)
	case added > 0:
		return s.showCouponFile(c, v, http.StatusCreated, form)
	}
	return s.showCouponFile(c, v, http.StatusOK, form)
}

// counts tells how many lines were added, were there already, and were wrong.
func (f *couponForm) counts() (added, already, wrong int64) {
	for i := range f.lines {
		switch a := &f.lines[i].Added; {
		case len(a.Problems) > 0:
			wrong++
		case a.Already:
			already++
		default:
			added++
		}
	}
	return added, already, wrong
}

// owner is the name of a line's partner, as far as it was found.
func (f *couponForm) owner(l *partners.CouponLine) string {
	for _, p := range f.partners {
		if p.ID == int64(l.Coupon.Partner) {
			return p.Name
		}
	}
	return l.Owner
}

func (s *Server) coupon(c echo.Context, v *visit) error {
	return s.showCoupon(c, v, http.StatusOK, couponForm{})
}

func (s *Server) showCoupon(c echo.Context, v *visit, status int, form couponForm) error {
	id, ok := report.ParseID(c.Param("coupon"))
	if !ok {
		return notFound()
	}
	view := couponView{at: v.at, form: form}
	v.path = "/merchant/coupons"
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.coupon, err = r.Coupon(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.CouponsOne(view.coupon.Written), couponPage(view))
}

// endCoupon ends a coupon, as when it has leaked.
func (s *Server) endCoupon(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("coupon"))
	if !ok {
		return notFound()
	}
	form := couponForm{From: c.FormValue("from"), LeakedFrom: c.FormValue("leaked_from"), Note: c.FormValue("note")}
	end := partners.CouponEnd{From: form.time("from", form.From), LeakedFrom: form.time("leaked_from", form.LeakedFrom), Note: form.Note}
	if len(form.problems) > 0 {
		return s.showCoupon(c, v, http.StatusUnprocessableEntity, form)
	}
	from, err := s.access.EndCoupon(c.Request().Context(), v.scope(), program.CouponID(id), v.login.Email, end)
	if err != nil {
		f := fault.Of(err)
		if form.problems = f.Fields; len(f.Fields) == 0 {
			return err
		}
		return s.showCoupon(c, v, f.Status(), form)
	}
	s.flash(c, v.text.CouponsEnds(v.text.Second(from)))
	return s.redirect(c, couponURL(id))
}
