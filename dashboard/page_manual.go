package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/dashboard/export"
	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// manualView is what the list of manual lines shows.
type manualView struct {
	path   string
	filter report.ManualFilter
	list   report.Page[report.ManualLine]
	// enters tells that lines are entered here: not by a partner.
	enters, network bool
	login           string
	form            manualForm
}

// A manualForm is what the form that enters a line holds.
type manualForm struct {
	mistakes

	partners                                []report.ManualPartner
	currencies                              []string
	To, Amount, Currency, Payer, Note, Span string
	Period                                  int64
}

// nameOf is how a partner is called where there are several merchants.
func (view *manualView) nameOf(p report.ManualPartner) string {
	if view.network {
		return p.Partner + " · " + p.Merchant
	}
	return p.Partner
}

// choices are the partners, each once, by name.
func (view *manualView) choices() (list []report.Choice) {
	for _, p := range view.form.partners {
		if !slices.ContainsFunc(list, func(c report.Choice) bool { return c.ID == p.PartnerID }) {
			list = append(list, report.Choice{ID: p.PartnerID, Name: p.Partner})
		}
	}
	slices.SortStableFunc(list, func(a, b report.Choice) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func (s *Server) manual(c echo.Context, v *visit) error {
	return s.showManual(c, v, http.StatusOK, manualForm{Payer: string(commission.MerchantPays)})
}

func (s *Server) showManual(c echo.Context, v *visit, status int, form manualForm) error {
	view := manualView{path: "/" + string(audience(v.login.Role)) + "/manual", enters: v.scope().Partner == 0, network: v.scope().Network, login: v.login.Email, form: form}
	if view.network {
		view.path = "/network/manual"
	}
	v.path = view.path // also where it answers a form
	var err error
	if view.filter, err = report.ParseManual(c.QueryParams(), v.at); err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.enters {
			if view.form.partners, view.form.currencies, err = r.ManualPartners(ctx); err != nil {
				return err
			}
			if err = view.settles(ctx, r); err != nil {
				return err
			}
		}
		view.list, err = r.ManualLines(ctx, view.filter, report.PageSize)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, view.path, view.filter.Query())
	return s.render(c, status, frame(v, v.text.ManualTitle(), manualPage(view)))
}

// settles has the form settle the period that the list is narrowed to, or that the form was sent for: it then leaves no other
// partner and no other currency to choose.
func (view *manualView) settles(ctx context.Context, r *report.Snapshot) error {
	form := &view.form
	if form.Period = cmp.Or(form.Period, view.filter.Period); form.Period == 0 {
		return nil
	}
	p, err := r.ManualPeriod(ctx, form.Period)
	if err != nil {
		return err
	}
	form.Span, form.To, form.Currency = p.Span, bindTo(p.MerchantID, p.PartnerID), p.Unit
	form.partners, form.currencies = []report.ManualPartner{p.ManualPartner}, []string{p.Unit}
	return nil
}

// enterManual enters a line.
func (s *Server) enterManual(c echo.Context, v *visit) error {
	form := manualForm{
		To: c.FormValue("to"), Amount: strings.TrimSpace(c.FormValue("amount")), Currency: c.FormValue("currency"), Payer: c.FormValue("payer"), Note: strings.TrimSpace(c.FormValue("note")),
	}
	if form.To == "" {
		form.problems = append(form.problems, fault.Wrong("to", text.WrongMissing(), text.FixNamePartner()))
		return s.showManual(c, v, http.StatusUnprocessableEntity, form)
	}
	at, to, _ := strings.Cut(form.To, "-")
	merchant, ok := report.ParseID(at)
	partner, named := report.ParseID(to)
	if !ok || !named {
		return notFound()
	}
	if period := c.FormValue("period"); period != "" {
		if form.Period, ok = report.ParseID(period); !ok {
			return notFound()
		}
	}
	line := commission.ManualLine{
		Merchant: program.MerchantID(merchant), Partner: program.PartnerID(partner), Unit: form.Currency, Payer: commission.Payer(form.Payer), Period: form.Period, Note: form.Note,
	}
	var err error
	if line.Amount, err = money.Parse(form.Amount, form.Currency); err != nil {
		form.problems = append(form.problems, fault.Wrong("amount", text.WrongNoMoney(form.Currency, strconv.Quote(form.Amount)), text.FixMoney()))
		return s.showManual(c, v, http.StatusUnprocessableEntity, form)
	}
	entered, err := s.desk.EnterLine(c.Request().Context(), v.scope(), line, v.login.Email)
	if err != nil {
		f := fault.Of(err)
		if form.problems = f.Fields; len(f.Fields) == 0 {
			return err
		}
		return s.showManual(c, v, f.Status(), form)
	}
	if entered.Waits {
		s.flash(c, v.text.ManualWaits())
	} else {
		s.flash(c, v.text.ManualEntered())
	}
	return s.redirect(c, manualPath(v))
}

func manualPath(v *visit) string {
	if v.scope().Network {
		return "/network/manual"
	}
	return "/merchant/manual"
}

// decideManual approves, declines or withdraws a line.
func (s *Server) decideManual(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("line"))
	said := engine.ManualVerdict(c.FormValue("said"))
	if !ok || said != engine.ApproveLine && said != engine.DeclineLine && said != engine.WithdrawLine {
		return notFound()
	}
	if err := s.desk.DecideLine(c.Request().Context(), v.scope(), no, said, v.login.Email, ""); err != nil {
		return err
	}
	s.flash(c, v.text.ManualSaid(string(said)))
	return s.redirect(c, manualPath(v))
}

func (s *Server) manualCSV(c echo.Context, v *visit) error {
	f, err := report.ParseManual(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.ManualLine]{
		name:    "manual-lines",
		heading: []string{"line", "merchant", "partner", "partner_id", "currency", "amount", "paid_by", "period", "state", "entered_at", "effective_at", "author", "approved_by", "note"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.ManualLine], error) {
			f.After = after
			return r.ManualLines(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.ManualLine) error {
			return w.Row(export.Number(strconv.FormatInt(r.No, 10)), export.Text(r.Merchant), export.Text(r.Partner), export.Number(strconv.FormatInt(r.PartnerID, 10)), export.Text(r.Unit),
				inCurrency(r.Unit)(r.Amount), export.Text(r.Payer), export.Text(r.Span), export.Text(r.State), export.Number(text.Machine(r.At)), timeCell(r.EffectiveAt),
				export.Text(r.Author), export.Text(r.DecidedBy), export.Text(r.Note))
		},
	}.send(s, c, v)
}
