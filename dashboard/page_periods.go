package dashboard

import (
	"context"
	"strconv"

	"github.com/labstack/echo/v4"

	"tributary/commission/period"
	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// periodsView is what the list of periods shows.
type periodsView struct {
	path        string
	forMerchant bool
	filter      report.PeriodFilter
	list        report.Page[report.PeriodPaid]
	programs    []report.Choice
	partners    []report.Choice
}

// periodsPath is where a role finds its periods.
func periodsPath(v *visit) string {
	if v.login.Seat.Merchant != 0 {
		return "/merchant/periods"
	}
	return "/partner/periods"
}

func (s *Server) periods(c echo.Context, v *visit) (err error) {
	view := periodsView{path: periodsPath(v), forMerchant: v.login.Seat.Merchant != 0}
	if view.filter, err = report.ParsePeriods(c.QueryParams(), v.at); err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Periods(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		if !view.forMerchant {
			view.programs, err = r.EnrolledPrograms(ctx)
			return err
		}
		if view.programs, err = r.OwnPrograms(ctx); err != nil {
			return err
		}
		view.partners, err = r.Owners(ctx)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, view.path, view.filter.Query())
	return s.page(c, v, v.text.PeriodTitle(), periodsPage(view))
}

func (s *Server) periodsCSV(c echo.Context, v *visit) error {
	f, err := report.ParsePeriods(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.PeriodPaid]{
		name:    "periods",
		heading: []string{"period", "program", "partner", "partner_id", "role", "rule", "span", "currency", "amount", "fee", "pending", "payable"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.PeriodPaid], error) {
			f.After = after
			return r.Periods(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, p *report.PeriodPaid) error {
			in := inCurrency(p.Unit)
			return w.Row(export.Number(strconv.FormatInt(p.No, 10)), export.Text(p.Program), export.Text(p.Partner), export.Number(strconv.FormatInt(int64(p.PartnerID), 10)),
				export.Text(p.Role), export.Text(p.Rule), export.Text(p.Span), export.Text(p.Unit), in(p.Net), in(p.Fee), in(p.Pending), in(p.Payable))
		},
	}.send(s, c, v)
}

// periodView is what the page of a period shows.
type periodView struct {
	report.PeriodExplained

	path        string
	forMerchant bool
	// overCap are the orders over the cap, where the rule is one that ranks its orders.
	filter  report.OverCapFilter
	overCap report.Page[report.OverCapOrder]
}

func (s *Server) periodPage(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("period"))
	if !ok {
		return notFound()
	}
	view := periodView{path: periodsPath(v), forMerchant: v.login.Seat.Merchant != 0}
	var err error
	if view.filter, err = report.ParseOverCap(c.QueryParams(), v.at); err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.PeriodExplained, err = r.ExplainPeriod(ctx, no); err != nil {
			return err
		}
		view.overCap, err = r.OverCap(ctx, &view.PeriodExplained, view.filter, report.PageSize)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, view.at(), view.filter.Query())
	return s.page(c, v, periodName(v.text, view.Kind(), view.Span), onePeriod(view))
}

// at is the address of the period's page.
func (view *periodView) at() string { return view.path + "/" + strconv.FormatInt(view.No, 10) }

// overCapCSV is the list of a period's orders over the cap, as a file.
func (s *Server) overCapCSV(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("period"))
	if !ok {
		return notFound()
	}
	f, err := report.ParseOverCap(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	var of report.PeriodExplained
	return listFile[report.OverCapOrder]{
		name:    "over-cap",
		heading: []string{"order", "ordered_at", "currency", "commission", "state", "cap"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (page report.Page[report.OverCapOrder], err error) {
			if after == "" {
				if of, err = r.ExplainPeriod(ctx, no); err != nil {
					return page, err
				}
			}
			f.After = after
			return r.OverCap(ctx, &of, f, rowsAtOnce)
		},
		row: func(w *export.Writer, o *report.OverCapOrder) error {
			return w.Row(export.Text(o.OrderID), export.Number(text.Machine(o.OccurredAt)), export.Text(of.Unit), inCurrency(of.Unit)(o.Net), export.Text(o.State), export.Text(string(o.Part)))
		},
	}.send(s, c, v)
}

// measured is a value of what a rule counts.
func (view *periodView) measured(t *text.Printer, rule *program.Counting, n int64) string {
	return measuredText(t, &rule.Period, view.Unit, n)
}

// says is a rule in sentences.
func (view *periodView) says(t *text.Printer, rule *program.Counting) []string {
	p, length := &rule.Period, t.PeriodLength(string(rule.Period.Period))
	if p.Cap > 0 {
		return []string{t.PeriodCap(length, view.measured(t, rule, p.Cap))}
	}
	list := []string{t.PeriodMarginal(length)}
	if p.Mode == program.Retroactive {
		list[0] = t.PeriodRetroactive(length)
	}
	for i := range p.Tiers {
		list = append(list, tierText(t, p, view.Unit, &p.Tiers[i]))
	}
	return list
}

// manual is where what a cap took back can be paid by hand, empty where nothing can.
func (view *periodView) manual() string {
	if !view.forMerchant || view.Net >= 0 {
		return ""
	}
	return "/merchant/manual?period=" + strconv.FormatInt(view.No, 10)
}

// overflowed tells that the sums of the period are too large to be counted.
func (view *periodView) overflowed() bool { return view.Record.Outcome == period.Overflow }

// ruleOf is the rule of a day, nil where it is not known.
func (view *periodView) ruleOf(d period.Paid) *program.Period {
	for _, rule := range view.Rules {
		if rule.ID == d.Rule {
			return &rule.Period
		}
	}
	return nil
}

// later are the changes of a day's amount that came after the day.
func (view *periodView) later(t *text.Printer, d period.Paid) []string {
	var list []string
	for _, change := range d.Changes {
		if change.Day != d.Day && change.Amount != 0 {
			list = append(list, t.PeriodChanged(amount{view.Unit, change.Amount}.text(), spanWords(t, change.Day.String())))
		}
	}
	return list
}
