package report

import (
	"cmp"
	"net/url"
	"strconv"
	"time"

	"tributary/internal/text"
	"tributary/partners/program"
)

// A CustomersFilter is what reports on the customers of one merchant are narrowed to. Source, Partner, Program, Link and Group are of
// whoever a customer's first order is credited to.
type CustomersFilter struct {
	// Merchant is named by the operator only.
	Merchant int64
	// Currency is that of all orders looked at; empty for the one with the most orders.
	Currency string
	Span     CustomerSpan
	Source   string
	Partner  int64
	Program  int64
	Link     int64
	Group    string
	// By is what the table of new customers is grouped by.
	By string
	// Which is the part of a list, Month the month of its first orders (or, of orders, their own), and Later how many months after it
	// those customers ordered: -1 where that is not asked.
	Which string
	Month time.Time
	Later int
	After string
}

// A CustomerSpan is whole days of a zone. All begins with the first order there is.
type CustomerSpan struct {
	Days

	// Preset is 30, 90 or 365 where the last so many days were asked for, All every day up to today; neither for days chosen freely.
	Preset int
	All    bool
}

// CustomerPresets are the spans offered by name, in days.
func CustomerPresets() []int { return []int{30, 90, 365} }

// allDays is the name of the span of every day.
const allDays = "all"

// The sources of customers: the kind of the partner whom the first order is credited to, or nobody.
const (
	SourceSite   = string(program.Site)
	SourceMember = string(program.Member)
	SourceNobody = "nobody"
)

// CustomerSources are all of them.
func CustomerSources() []string { return []string{SourceSite, SourceMember, SourceNobody} }

// What the table of new customers is grouped by.
const (
	CustomersBySource  = "source"
	CustomersByPartner = "partner"
	CustomersByGroup   = "group"
	CustomersByProgram = "program"
	CustomersByLink    = "link"
)

// CustomerGroupings are all of them; the first is the one that a page begins with.
func CustomerGroupings() []string {
	return []string{CustomersBySource, CustomersByPartner, CustomersByGroup, CustomersByProgram, CustomersByLink}
}

// ParseCustomers reads the address of the report on new customers, and of a file of one of its tables.
func ParseCustomers(values url.Values, now time.Time, also ...string) (CustomersFilter, error) {
	q := newQuery(values, now)
	f := q.customers()
	q.first(&f)
	f.By = cmp.Or(q.oneOf("by", CustomerGroupings()...), CustomersBySource)
	q.known = append(q.known, also...)
	return f, q.err()
}

// ParseReturning reads the address of the report on new and returning customers.
func ParseReturning(values url.Values, now time.Time) (CustomersFilter, error) {
	q := newQuery(values, now)
	f := q.customers()
	return f, q.err()
}

// ParseSegments reads the address of the report on segments, which stand as of the end of a day.
func ParseSegments(values url.Values, now time.Time) (CustomersFilter, error) {
	q := newQuery(values, now)
	f := q.segments()
	return f, q.err()
}

// ParseNewCustomers reads the address of a list of new customers.
func ParseNewCustomers(values url.Values, now time.Time) (CustomersFilter, error) {
	q := newQuery(values, now)
	f := q.customers()
	q.first(&f)
	f.Which, f.Month, f.Later, f.After = q.oneOf("which", newCustomerLists()...), q.month("month"), -1, q.get("after")
	if given := q.get("later"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 0 || n > maxLater || strconv.Itoa(n) != given || f.Month.IsZero() {
			q.refuse("later", text.WrongRow(quoted(given)), text.FixLeaveOut())
		}
		f.Later = n
	}
	return f, q.err()
}

// maxLater bounds the months of a cohort.
const maxLater = 1200

// ParseSegmentCustomers reads the address of a list of the customers of a segment.
func ParseSegmentCustomers(values url.Values, now time.Time) (CustomersFilter, error) {
	q := newQuery(values, now)
	f := q.segments()
	f.Which, f.After = q.oneOf("which", segmentLists()...), q.get("after")
	return f, q.err()
}

// ParseOrdersByCustomer reads the address of a list of the orders of new or of returning customers.
func ParseOrdersByCustomer(values url.Values, now time.Time) (CustomersFilter, error) {
	q := newQuery(values, now)
	f := q.customers()
	f.Which, f.Month, f.After = q.oneOf("which", OrdersOfNew, OrdersOfReturning), q.month("month"), q.get("after")
	return f, q.err()
}

// ParseBrought reads the address of a partner's own new customers.
func ParseBrought(values url.Values, now time.Time) (CustomersFilter, error) {
	q := newQuery(values, now)
	f := CustomersFilter{Span: q.customerSpan(), Later: -1, After: q.get("after")}
	return f, q.err()
}

// customers reads what all reports on customers have.
func (q *query) customers() CustomersFilter {
	return CustomersFilter{Merchant: q.id("merchant"), Currency: q.currency("currency"), Span: q.customerSpan(), Later: -1}
}

// first reads what narrows customers by their first order.
func (q *query) first(f *CustomersFilter) {
	f.Source, f.Partner, f.Program = q.oneOf("source", CustomerSources()...), q.id("partner"), q.id("program")
	f.Link, f.Group = q.id("link"), q.text("group")
}

func (q *query) segments() CustomersFilter {
	f := CustomersFilter{Merchant: q.id("merchant"), Currency: q.currency("currency"), Later: -1}
	day := q.day("day")
	if day.IsZero() {
		day = q.now
	}
	f.Span.To = dayAfter(day, 1)
	return f
}

func (q *query) customerSpan() CustomerSpan {
	refused := len(q.fields)
	preset := q.oneOf("days", "30", "90", "365", allDays)
	s := CustomerSpan{Days: q.days()}
	if len(q.fields) > refused {
		return CustomerSpan{}
	}
	tomorrow := dayAfter(q.now, 1)
	switch {
	case !s.open():
		if preset != "" {
			q.refuse("days", text.WrongDaysToo(), text.FixOneOrOther())
		}
	case preset == allDays:
		s.All = true
	default:
		s.Preset, _ = strconv.Atoi(cmp.Or(preset, "90"))
		s.From = dayAfter(tomorrow, -s.Preset)
	}
	if s.To.IsZero() {
		s.To = tomorrow
	}
	return s
}

// month reads a month as 2026-01, as the midnight at which it begins; the zero time for none.
func (q *query) month(name string) time.Time {
	given := q.get(name)
	if given == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(monthLayout, given, q.now.Location())
	if err != nil || t.Year() < 1970 || t.Year() >= 2300 {
		q.refuse(name, text.WrongMonth(quoted(given)), text.FixMonth())
		return time.Time{}
	}
	return dayAfter(t, 0)
}

const monthLayout = "2006-01"

// Query is the filter as its parser reads it. What is empty is left out.
func (f CustomersFilter) Query() url.Values {
	q := url.Values{}
	setID(q, "merchant", f.Merchant)
	set(q, "currency", f.Currency)
	switch {
	case f.Span.All:
		q.Set("days", allDays)
	case f.Span.Preset > 0:
		q.Set("days", strconv.Itoa(f.Span.Preset))
	default:
		f.Span.set(q)
	}
	set(q, "source", f.Source)
	setID(q, "partner", f.Partner)
	setID(q, "program", f.Program)
	setID(q, "link", f.Link)
	set(q, "group", f.Group)
	if f.By != CustomersBySource {
		set(q, "by", f.By)
	}
	set(q, "which", f.Which)
	if !f.Month.IsZero() {
		q.Set("month", f.Month.Format(monthLayout))
	}
	if f.Later >= 0 {
		q.Set("later", strconv.Itoa(f.Later))
	}
	set(q, "after", f.After)
	return q
}

// DayQuery is the filter as ParseSegments and ParseSegmentCustomers read it.
func (f CustomersFilter) DayQuery() url.Values {
	q := url.Values{}
	setID(q, "merchant", f.Merchant)
	set(q, "currency", f.Currency)
	q.Set("day", f.Span.Last().Format(time.DateOnly))
	set(q, "which", f.Which)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves any customer of the span out.
func (f CustomersFilter) Narrowed() bool {
	return f.Source != "" || f.Partner != 0 || f.Program != 0 || f.Link != 0 || f.Group != ""
}
