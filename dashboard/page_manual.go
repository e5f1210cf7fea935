package dashboard

import (
	"cmp"
	"context"
	"net/http"
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

	merchants  []report.Choice
	currencies []string
	// partners are offered while the name is typed: the first ones, or those who are called like what was typed.
	partners                                          []report.ManualPartner
	Merchant                                          int64
	To, Amount, Currency, Payer, Note, Span, TookBack string
	Period                                            int64

	partner program.PartnerID // whom To names
}

// partnersOffered bounds how many partners are offered to choose from.
const partnersOffered = 200

func (s *Server) manual(c echo.Context, v *visit) error {
	return s.showManual(c, v, http.StatusOK, manualForm{Payer: string(commission.MerchantPays)})
}

func (s *Server) showManual(c echo.Context, v *visit, status int, form manualForm) error {
	view := manualView{path: "/" + string(v.who()) + "/manual", enters: v.scope().Partner == 0, network: v.scope().Network, login: v.login.Email, form: form}
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
			if err = view.offer(ctx, r); err != nil {
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
	return s.framed(c, v, status, v.text.ManualTitle(), manualPage(view))
}

// offer reads what the form offers to choose from.
func (view *manualView) offer(ctx context.Context, r *report.Snapshot) (err error) {
	form := &view.form
	if form.Period = cmp.Or(form.Period, view.filter.Period); form.Period != 0 {
		return view.settles(ctx, r)
	}
	if form.merchants, err = r.ManualMerchants(ctx); err != nil || len(form.merchants) == 0 {
		return err
	}
	if form.currencies, err = r.ManualCurrencies(ctx); err != nil {
		return err
	}
	form.Merchant = cmp.Or(form.Merchant, form.merchants[0].ID)
	like := ""
	if form.wrong("to") != nil {
		like = form.To
	}
	form.partners, err = r.ManualPartners(ctx, form.Merchant, like, partnersOffered)
	return err
}

// settles has the form settle a period: it leaves no other partner and no other currency to choose.
func (view *manualView) settles(ctx context.Context, r *report.Snapshot) error {
	form := &view.form
	p, err := r.ManualPeriod(ctx, form.Period)
	if err != nil {
		return err
	}
	if form.Span = p.Span; p.Net < 0 {
		form.TookBack = amount{p.Unit, -p.Net}.text()
	}
	form.Merchant, form.merchants = p.MerchantID, []report.Choice{{ID: p.MerchantID, Name: p.Merchant}}
	form.To, form.Currency, form.currencies = p.ManualPartner.Text(), p.Unit, []string{p.Unit}
	return nil
}

// enterManual enters a line.
func (s *Server) enterManual(c echo.Context, v *visit) error {
	form := manualForm{
		To: strings.TrimSpace(c.FormValue("to")), Amount: strings.TrimSpace(c.FormValue("amount")), Currency: c.FormValue("currency"), Payer: c.FormValue("payer"), Note: strings.TrimSpace(c.FormValue("note")),
	}
	status, err := s.readPartner(c, v, &form)
	if err != nil {
		return err
	}
	if len(form.problems) > 0 {
		return s.showManual(c, v, status, form)
	}
	line := commission.ManualLine{
		Merchant: program.MerchantID(form.Merchant), Partner: form.partner, Unit: form.Currency, Payer: commission.Payer(form.Payer), Period: form.Period, Note: form.Note,
	}
	if _, known := money.Exponent(form.Currency); !known {
		form.problems = append(form.problems, fault.Wrong("currency", text.WrongMissing(), text.FixChooseCurrency()))
	} else if line.Amount, err = money.Parse(form.Amount, form.Currency); err != nil {
		form.problems = append(form.problems, fault.Wrong("amount", text.WrongNoMoney(form.Currency, strconv.Quote(form.Amount)), text.FixMoney(exampleAmount(form.Currency))))
	}
	if len(form.problems) > 0 {
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

// readPartner finds whom the form is for, and what it settles. Nobody of that name is a problem of the form.
func (s *Server) readPartner(c echo.Context, v *visit, form *manualForm) (status int, err error) {
	var ok bool
	if form.Merchant = int64(v.login.Seat.Merchant); form.Merchant == 0 {
		if form.Merchant, ok = report.ParseID(c.FormValue("merchant")); !ok {
			return 0, notFound()
		}
	}
	if period := c.FormValue("period"); period != "" {
		if form.Period, ok = report.ParseID(period); !ok {
			return 0, notFound()
		}
	}
	wrong := func(status int, problem, fix text.Message) (int, error) {
		form.problems = append(form.problems, fault.Wrong("to", problem, fix))
		return status, nil
	}
	if form.To == "" {
		return wrong(http.StatusUnprocessableEntity, text.WrongMissing(), text.FixNamePartner())
	}
	var found []report.ManualPartner
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		found, err = r.FindPartner(ctx, form.Merchant, form.To)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return wrong(http.StatusNotFound, text.WrongNobodyCalled(form.To), text.FixChoosePartner())
	case len(found) > 1:
		return wrong(http.StatusUnprocessableEntity, text.WrongManyPartners(form.To), text.FixWholeName())
	}
	form.partner = program.PartnerID(found[0].ID)
	return http.StatusOK, nil
}

// examples are amounts as somebody types them: of the currency that is chosen, else of one for each number of decimals.
func (f *manualForm) examples() string {
	if f.Currency != "" {
		return exampleAmount(f.Currency)
	}
	var list []string
	var seen [5]bool
	for _, currency := range f.currencies {
		if digits, known := money.Exponent(currency); known && !seen[digits] {
			seen[digits], list = true, append(list, currency+" "+exampleAmount(currency))
		}
	}
	return strings.Join(list, ", ")
}

// limits are what one person may enter alone, in each currency that can be chosen.
func (f *manualForm) limits() string {
	var list []string
	for _, currency := range f.currencies {
		list = append(list, amount{currency, commission.AloneUpTo}.text())
	}
	return strings.Join(list, ", ")
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
