package dashboard

import (
	"cmp"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/report"
)

// A customersFrame is what all reports on a merchant's customers share.
type customersFrame struct {
	// base is the address of the first of them, and path that of this one.
	base, path string
	filter     report.CustomersFilter
	shop       *report.Shop
	merchants  []report.Choice // for the operator
	missing    bool
	at         time.Time
}

// The addresses of the reports on new customers.
const (
	merchantCustomers = "/merchant/customers"
	networkCustomers  = "/network/merchants/customers"
)

// customersFrame reads the shop that a filter asks for. The operator sees the first merchant where none is named.
func (s *Server) customersFrame(c echo.Context, v *visit, at string, f report.CustomersFilter) (*customersFrame, error) {
	view := &customersFrame{base: merchantCustomers, filter: f, at: v.at}
	ctx := c.Request().Context()
	switch {
	case v.scope().Merchant != 0 && f.Merchant != 0:
		return nil, notFound()
	case v.scope().Network:
		view.base = networkCustomers
		err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
			view.merchants, err = r.MerchantNames(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		if f.Merchant == 0 && len(view.merchants) > 0 {
			view.filter.Merchant = view.merchants[0].ID
		}
	}
	view.path = view.base + at
	if view.filter.Merchant == 0 && v.scope().Network { // there is none yet
		view.shop = &report.Shop{}
		return view, nil
	}
	shop, missing, err := s.reports.Shop(ctx, v.scope(), &view.filter)
	if err != nil {
		return nil, err
	}
	view.shop, view.missing = shop, s.isMissing(v, missing)
	return view, nil
}

// asks tells whether there is somebody to report on.
func (view *customersFrame) asks() bool { return !view.missing && view.shop.Merchant != 0 }

// to is the address of another report, in the same days where it has any.
func (view *customersFrame) to(at string, f report.CustomersFilter) string {
	if at == segmentsAt || at == segmentsAt+listAt {
		return withQuery(view.base+at, f.DayQuery())
	}
	return withQuery(view.base+at, f.Query())
}

const (
	returningAt = "/returning"
	segmentsAt  = "/segments"
	listAt      = "/list"
	ordersAt    = "/orders"
)

// tab is the address of another report in the same days.
func (view *customersFrame) tab(at string) string {
	f := report.CustomersFilter{Merchant: view.filter.Merchant, Currency: view.filter.Currency, Span: view.filter.Span, Later: -1}
	if at != segmentsAt && view.path == view.base+segmentsAt {
		f.Span = report.CustomerSpan{Preset: 90}
	}
	return view.to(at, f)
}

// list leads to the new customers behind a figure.
func (view *customersFrame) list(change func(f *report.CustomersFilter)) string {
	f := view.filter
	f.By = ""
	change(&f)
	return view.to(listAt, f)
}

// part leads to the new customers of a part.
func (view *customersFrame) part(which string) string {
	return view.list(func(f *report.CustomersFilter) { f.Which = which })
}

// newCustomersView is what the report on new customers shows.
type newCustomersView struct {
	*customersFrame
	report.NewCustomers
}

func (s *Server) newCustomers(c echo.Context, v *visit) error {
	view, err := s.loadNewCustomers(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, view.path, view.filter.Query())
	return s.page(c, v, v.text.AcquiredTitle(), newCustomersPage(view))
}

func (s *Server) loadNewCustomers(c echo.Context, v *visit, also ...string) (*newCustomersView, error) {
	f, err := report.ParseCustomers(c.QueryParams(), v.at, also...)
	if err != nil {
		return nil, err
	}
	frame, err := s.customersFrame(c, v, "", f)
	if err != nil {
		return nil, err
	}
	view := &newCustomersView{customersFrame: frame}
	if view.asks() {
		n, err := s.reports.NewCustomers(c.Request().Context(), v.scope(), view.filter, view.shop)
		view.NewCustomers, view.missing = n, s.isMissing(v, err)
	}
	return view, nil
}

// The tables of the report that are files.
const (
	tableBy      = "by"
	tableMonths  = "months"
	tableCohorts = "cohorts"
)

func (s *Server) newCustomersCSV(c echo.Context, v *visit) error {
	table := cmp.Or(c.QueryParam("table"), tableBy)
	view, err := s.loadNewCustomers(c, v, "table")
	if err != nil {
		return err
	}
	if view.missing {
		return countsAway()
	}
	switch table {
	case tableBy:
		return s.sendAcquired(c, view)
	case tableMonths:
		return s.sendReferralMonths(c, view)
	case tableCohorts:
		return s.sendCohorts(c, view)
	}
	return &fault.Error{Kind: fault.Invalid, Code: report.FilterCode, Fields: []fault.Field{
		fault.Wrong("table", text.WrongChoice(table), text.FixChoice(tableBy+", "+tableMonths+", "+tableCohorts)),
	}}
}

// sendAcquired sends the table of new customers: a row for each value, and one without a name for all.
func (s *Server) sendAcquired(c echo.Context, view *newCustomersView) error {
	heading := []string{
		"name", "currency", "new_customers", "cost", "cost_of_one", "first_sold", "first_value", "first_value_median", "first_net", "first_net_mean",
		"first_net_median", "again", "again_days", "repurchase_rate", "within_30", "within_60", "within_90", "within_180", "repeats", "repurchase_count",
		"repeat_sold", "repeat_value", "repeat_value_median", "repeat_net_mean", "cycle_median_days", "cycle_mean_days", "return_on_cost",
	}
	return s.sendCSV(c, "new-customers", heading, func(w *export.Writer) error {
		if err := w.Row(acquiredCells(view.filter.Currency, "", &view.All)...); err != nil {
			return err
		}
		for i := range view.Rows {
			r := &view.Rows[i]
			if err := w.Row(acquiredCells(view.filter.Currency, acquiredName(s.text, view.filter.By, r), &r.Acquired)...); err != nil {
				return err
			}
		}
		return nil
	})
}

func acquiredCells(currency, name string, a *report.Acquired) []export.Cell {
	in := inCurrency(currency)
	return []export.Cell{
		export.Text(name), export.Text(currency), countIn(a.Customers), in(a.Cost), exactMoney(currency, a.CostOfOne()),
		in(a.FirstSold), exactMoney(currency, a.FirstValue()), exactMedian(currency, a.Customers, a.FirstSoldMedian),
		in(a.FirstKept), exactMoney(currency, a.FirstNet()), exactMedian(currency, a.Customers, a.FirstKeptMedian),
		countIn(a.Again), countIn(a.AgainOnDays), exactRatio(a.Repurchase()), countIn(a.Within[0]), countIn(a.Within[1]), countIn(a.Within[2]), countIn(a.Within[3]),
		countIn(a.Repeats), exactRatio(a.RepeatCount()), in(a.RepeatSold), exactMoney(currency, a.RepeatValue()), exactMedian(currency, a.Repeats, a.RepeatSoldMedian),
		exactMoney(currency, a.RepeatNet()), exactDays(report.Ratio{Sum: a.GapMedian.Twice, Of: 2 * min(1, a.Repeats)}), exactDays(a.Cycle()), exactRatio(a.Return()),
	}
}

func (s *Server) sendReferralMonths(c echo.Context, view *newCustomersView) error {
	return s.sendCSV(c, "new-customers-by-month", []string{"month", "source", "currency", "new_customers", "referral_rate", "cost", "first_sold", "first_net"}, func(w *export.Writer) error {
		in := inCurrency(view.filter.Currency)
		for i := range view.Months {
			m := &view.Months[i]
			for _, source := range report.CustomerSources() {
				a, ok := m.Sources[source]
				if !ok {
					continue
				}
				err := w.Row(export.Text(m.Month.Format("2006-01")), export.Text(source), export.Text(view.filter.Currency), countIn(a.Customers), exactRatio(m.Referred()),
					in(a.Cost), in(a.FirstSold), in(a.FirstKept))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *Server) sendCohorts(c echo.Context, view *newCustomersView) error {
	return s.sendCSV(c, "cohorts", []string{"month", "months_later", "customers", "currency", "net_sales", "net_per_customer"}, func(w *export.Writer) error {
		in := inCurrency(view.filter.Currency)
		for i := range view.Cohorts {
			cohort := &view.Cohorts[i]
			for later, n := range cohort.Customers {
				err := w.Row(export.Text(cohort.Month.Format("2006-01")), export.Number(strconv.Itoa(later)), countIn(n), export.Text(view.filter.Currency),
					in(cohort.Kept[later]), exactMoney(view.filter.Currency, cohort.Value(later)))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// acquiredName is what people know a row of the table by.
func acquiredName(t *text.Printer, by string, r *report.AcquiredRow) string {
	switch {
	case by == report.CustomersBySource:
		return t.CustomerSource(r.Value)
	case r.Name == "" && by == report.CustomersByPartner:
		return t.CustomerSource(report.SourceNobody)
	case r.Name == "":
		return t.AcquiredNone()
	}
	return r.Name
}

// narrow is the address of the report on the customers of a row alone.
func (view *newCustomersView) narrow(r *report.AcquiredRow) string {
	f := view.filter
	id, _ := report.ParseID(r.Value)
	switch f.By {
	case report.CustomersBySource:
		f.Source = r.Value
	case report.CustomersByPartner:
		f.Partner = id
		if id == 0 {
			f.Source = report.SourceNobody
		}
	case report.CustomersByProgram:
		f.Program = id
	case report.CustomersByLink:
		f.Link = id
	case report.CustomersByGroup:
		f.Group = r.Value
	}
	return view.to("", f)
}

// canNarrow tells whether a row is of something that the report can be narrowed to.
func (view *newCustomersView) canNarrow(r *report.AcquiredRow) bool {
	return r.Name != "" || view.filter.By == report.CustomersBySource || view.filter.By == report.CustomersByPartner
}

// narrowedTo names what the report is narrowed to.
func (view *customersFrame) narrowedTo(t *text.Printer) (names []string) {
	f := view.filter
	if f.Source != "" {
		names = append(names, t.CustomerSource(f.Source))
	}
	if f.Partner != 0 {
		names = append(names, view.shop.Partner(f.Partner))
	}
	if f.Program != 0 {
		for _, p := range view.shop.Programs {
			if p.ID == f.Program {
				names = append(names, p.Name)
			}
		}
	}
	if f.Link != 0 {
		names = append(names, t.CustomersBy(report.CustomersByLink)+" "+strconv.FormatInt(f.Link, 10))
	}
	if f.Group != "" {
		names = append(names, f.Group)
	}
	return names
}

// bars are the referral rate by month, in tenths of a per cent.
func (view *newCustomersView) bars(t *text.Printer) []bar {
	list := make([]bar, len(view.Months))
	for i := range view.Months {
		m := &view.Months[i]
		r := m.Referred()
		list[i] = bar{
			name: m.Month.Format("2006-01"), parts: []int64{r.Sum * 1000 / max(1, r.Of)},
			title: t.Month(m.Month) + ": " + share(t, r), to: view.list(func(f *report.CustomersFilter) { f.Month, f.Source = m.Month, report.SourceMember }),
		}
	}
	return list
}

// customerSpanWords names days within a sentence.
func customerSpanWords(t *text.Printer, s report.CustomerSpan) string {
	switch {
	case s.All:
		return t.AcquiredSpanAll()
	case s.Preset > 0:
		return t.PeriodLastWithin(int64(s.Preset))
	case s.From.IsZero():
		return t.PeriodBetween(text.Dash, t.Date(s.Last()))
	}
	return t.PeriodBetween(t.Date(s.From), t.Date(s.Last()))
}

// cohortShade is how dark a cell of the cohorts is, from 0 to 9.
func cohortShade(n, of int64) string {
	return "s" + strconv.FormatInt(min(9, n*10/max(1, of)), 10)
}

// longest is how many months the oldest cohorts have.
func (view *newCustomersView) longest() (months int) {
	for i := range view.Cohorts {
		months = max(months, len(view.Cohorts[i].Customers))
	}
	return months
}
