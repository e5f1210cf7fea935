package report

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"tributary/internal/money"
	"tributary/partners/access"
)

// A Ratio is a sum over so many cases.
type Ratio struct{ Sum, Of int64 }

// Half is a median: twice of it in whole units, since that of an even number of cases lies between two.
type Half struct{ Twice int64 }

// Acquired are the figures of customers by their first order. Money is in the currency's minor units, kept is net of all refunds so far.
type Acquired struct {
	// Customers have their first order in the span.
	Customers int64
	// Again have ordered at least twice, AgainOnDays on at least two days, Within within so many days of the first order.
	Again, AgainOnDays int64
	Within             [4]int64
	// FirstSold and FirstKept add up the first orders, with the medians beside.
	FirstSold, FirstKept             int64
	FirstSoldMedian, FirstKeptMedian Half
	// Cost is commission and the network's fee on the first orders.
	Cost int64
	// Repeats counts the orders after the first, and adds them up.
	Repeats                int64
	RepeatSold, RepeatKept int64
	RepeatSoldMedian       Half
	// Gaps adds up the seconds between one order of a customer and the next, of which there are as many as Repeats.
	Gaps      int64
	GapMedian Half
	// DayGaps counts the times between two days with an order of a customer, and DayGapDays adds up their days.
	DayGaps, DayGapDays int64
	DayGapMedian        Half
}

// RepurchaseDays are the spans of Acquired.Within.
func RepurchaseDays() [4]int64 { return [4]int64{30, 60, 90, 180} }

// CostOfOne is the acquisition cost of a new customer.
func (a *Acquired) CostOfOne() Ratio { return Ratio{a.Cost, a.Customers} }

// FirstValue is the mean first order.
func (a *Acquired) FirstValue() Ratio { return Ratio{a.FirstSold, a.Customers} }

// FirstNet is what is kept of it.
func (a *Acquired) FirstNet() Ratio { return Ratio{a.FirstKept, a.Customers} }

// Repurchase is the share of customers who ordered again.
func (a *Acquired) Repurchase() Ratio { return Ratio{a.Again, a.Customers} }

// RepeatValue is the mean later order.
func (a *Acquired) RepeatValue() Ratio { return Ratio{a.RepeatSold, a.Repeats} }

// RepeatNet is what is kept of it.
func (a *Acquired) RepeatNet() Ratio { return Ratio{a.RepeatKept, a.Repeats} }

// RepeatCount is how often a customer ordered again on average.
func (a *Acquired) RepeatCount() Ratio { return Ratio{a.Repeats, a.Customers} }

// Cycle is the mean time between two orders, in seconds.
func (a *Acquired) Cycle() Ratio { return Ratio{a.Gaps, a.Repeats} }

// Kept is what all orders of these customers brought.
func (a *Acquired) Kept() int64 { return a.FirstKept + a.RepeatKept }

// Return is the return on their cost: what they brought, less the cost, over the cost. No cost gives no return.
func (a *Acquired) Return() Ratio { return Ratio{a.Kept() - a.Cost, a.Cost} }

// An AcquiredRow is a row of a table of new customers: of a value, named as people know it.
type AcquiredRow struct {
	Acquired

	// Value is a source, a group's name, or a number; Name what people know it by.
	Value, Name string
}

// A Cohort is the customers whose first orders are in one month: how many of them ordered so many months later, and what their
// orders then brought. The month itself is the first of each.
type Cohort struct {
	Month     time.Time
	Customers []int64
	Kept      []int64
}

// Size is how many customers there are.
func (c *Cohort) Size() int64 { return c.Customers[0] }

// A ReferralMonth is the new customers of a month by source.
type ReferralMonth struct {
	Month    time.Time
	Sources  map[string]Acquired
	Everyone int64
}

// Referred is the referral rate (RR1): new customers whose first order is credited to a member, of all.
func (m *ReferralMonth) Referred() Ratio { return Ratio{m.Sources[SourceMember].Customers, m.Everyone} }

// NewCustomers is the report on the customers whose first order is in a span.
type NewCustomers struct {
	All Acquired
	// Sources are those that have customers, and Rows what the filter groups by, the most customers first.
	Sources, Rows []AcquiredRow
	Months        []ReferralMonth
	Cohorts       []Cohort
}

// Referred is the referral rate (RR1) of the span.
func (n *NewCustomers) Referred() Ratio {
	i := slices.IndexFunc(n.Sources, func(r AcquiredRow) bool { return r.Value == SourceMember })
	if i < 0 {
		return Ratio{0, n.All.Customers}
	}
	return Ratio{n.Sources[i].Customers, n.All.Customers}
}

// sumsOfAcquired are the figures of Acquired in the order of its fields, from rows of acquired.
const sumsOfAcquired = `toInt64(count()), toInt64(countIf(n > 1)), toInt64(countIf(length(days) > 1)),
       toInt64(countIf(wait > 0 AND wait <= 30 * 86400000000)), toInt64(countIf(wait > 0 AND wait <= 60 * 86400000000)),
       toInt64(countIf(wait > 0 AND wait <= 90 * 86400000000)), toInt64(countIf(wait > 0 AND wait <= 180 * 86400000000)),
       sum(first.4), sum(first.5), quantileExactLow(0.5)(first.4) + quantileExactHigh(0.5)(first.4), quantileExactLow(0.5)(first.5) + quantileExactHigh(0.5)(first.5),
       sum(cost), toInt64(sum(n - 1)), sum(arraySum(sold_again)), sum(kept_again),
       quantileExactLowArray(0.5)(sold_again) + quantileExactHighArray(0.5)(sold_again),
       toInt64(sum(arraySum(gaps))), toInt64(quantileExactLowArray(0.5)(gaps) + quantileExactHighArray(0.5)(gaps)),
       toInt64(sum(length(day_gaps))), toInt64(sum(arraySum(day_gaps))), toInt64(quantileExactLowArray(0.5)(day_gaps) + quantileExactHighArray(0.5)(day_gaps))`

// fields are what sumsOfAcquired fills.
func (a *Acquired) fields() []any {
	return []any{
		&a.Customers, &a.Again, &a.AgainOnDays, &a.Within[0], &a.Within[1], &a.Within[2], &a.Within[3],
		&a.FirstSold, &a.FirstKept, &a.FirstSoldMedian.Twice, &a.FirstKeptMedian.Twice, &a.Cost,
		&a.Repeats, &a.RepeatSold, &a.RepeatKept, &a.RepeatSoldMedian.Twice,
		&a.Gaps, &a.GapMedian.Twice, &a.DayGaps, &a.DayGapDays, &a.DayGapMedian.Twice,
	}
}

// cameBack counts customers by how many months after their first order's they ordered.
const cameBack = `sumMap(arrayDistinct(months), arrayResize(emptyArrayInt64(), length(arrayDistinct(months)), 1))`

// NewCustomers reads the report for a shop.
func (r *Reader) NewCustomers(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop) (n NewCustomers, err error) {
	ctx, err = customerQuery(ctx, scope, f, shop, nil)
	if err != nil {
		return n, err
	}
	var set, source string
	var month time.Time
	var a Acquired
	var later, customers, kept []int64
	cohorts := map[time.Time]*Cohort{}
	err = r.ask(ctx, with(f.newOnes(), spansOfGroups, acquired)+`
SELECT multiIf(grouping(month) = 0, 'month', grouping(source) = 0, 'source', 'all'), month, source, `+sumsOfAcquired+`,
       tupleElement(`+cameBack+`, 1), tupleElement(`+cameBack+`, 2), tupleElement(sumMap(months, arrayMap(x -> x.5, os)), 2)
  FROM a GROUP BY GROUPING SETS ((), (source), (month, source)) ORDER BY month`,
		slices.Concat([]any{&set, &month, &source}, a.fields(), []any{&later, &customers, &kept}), func() {
			switch set {
			case "all":
				n.All = a
			case "source":
				n.Sources = append(n.Sources, AcquiredRow{Acquired: a, Value: source})
			default:
				month = monthIn(f, month)
				n.addMonth(month, source, a)
				if cohorts[month] == nil {
					cohorts[month] = &Cohort{Month: month}
				}
				cohorts[month].add(later, customers, kept)
			}
		})
	if err != nil {
		return n, err
	}
	for _, m := range n.Months {
		n.Cohorts = append(n.Cohorts, *cohorts[m.Month])
	}
	n.Sources = sorted(n.Sources)
	if f.By == CustomersBySource {
		n.Rows = n.Sources
		return n, nil
	}
	if n.Rows, err = r.acquiredBy(ctx, f, shop); err != nil || f.By != CustomersByLink {
		return n, err
	}
	return n, r.Snapshot(ctx, scope, func(s *Snapshot) error { return s.nameLinks(ctx, n.Rows) })
}

// nameLinks names rows of links, as far as the scope may see these, as their partners do.
func (s *Snapshot) nameLinks(ctx context.Context, rows []AcquiredRow) error {
	ids := make([]int64, len(rows))
	for i := range rows {
		ids[i], _ = ParseID(rows[i].Value)
	}
	// name: names of links
	links, err := s.choices(ctx, `SELECT id, coalesce(nullif(label, ''), code) AS name FROM link WHERE id = ANY ($1)`, ids)
	for _, l := range links {
		rows[slices.Index(ids, l.ID)].Name = l.Name
	}
	return err
}

// monthIn is a month that ClickHouse gives as a date, as the midnight of the filter's zone at which it begins.
func monthIn(f CustomersFilter, date time.Time) time.Time {
	return dayAfter(time.Date(date.Year(), date.Month(), 1, 0, 0, 0, 0, f.Span.To.Location()), 0)
}

func (n *NewCustomers) addMonth(month time.Time, source string, a Acquired) {
	if last := len(n.Months) - 1; last < 0 || !n.Months[last].Month.Equal(month) {
		n.Months = append(n.Months, ReferralMonth{Month: month, Sources: map[string]Acquired{}})
	}
	m := &n.Months[len(n.Months)-1]
	m.Sources[source] = a
	m.Everyone += a.Customers
}

// add adds the customers of one source.
func (c *Cohort) add(later, customers, kept []int64) {
	for i, month := range later {
		for int64(len(c.Customers)) <= month {
			c.Customers, c.Kept = append(c.Customers, 0), append(c.Kept, 0)
		}
		c.Customers[month] += customers[i]
		c.Kept[month] += kept[i]
	}
}

// Value is what a customer of the cohort has brought by so many months after the first.
func (c *Cohort) Value(months int) Ratio {
	value := Ratio{Of: c.Size()}
	for i := range min(months+1, len(c.Kept)) {
		value.Sum += c.Kept[i]
	}
	return value
}

// acquiredKeys are the columns of acquired by what a table is grouped.
var acquiredKeys = map[string]string{ //nolint:gochecknoglobals // a table
	CustomersByPartner: "toString(first.8)", CustomersByProgram: "toString(first.7)", CustomersByLink: "toString(first.9)",
	CustomersByGroup: "arrayJoin(if(empty(groups), [''], groups))",
}

// MaxCustomerRows bounds a table of new customers: those with the most.
const MaxCustomerRows = 1000

func (r *Reader) acquiredBy(ctx context.Context, f CustomersFilter, shop *Shop) (list []AcquiredRow, err error) {
	var row AcquiredRow
	err = r.ask(ctx, with(f.newOnes(), spansOfGroups, acquired)+`SELECT `+acquiredKeys[f.By]+` AS value, `+sumsOfAcquired+`
		FROM a GROUP BY value ORDER BY count() DESC, value LIMIT `+strconv.Itoa(MaxCustomerRows), append([]any{&row.Value}, row.fields()...), func() {
		list = append(list, row)
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Name = shop.name(f.By, list[i].Value)
	}
	return sorted(list), nil
}

// sorted has the rows with the most customers first.
func sorted(rows []AcquiredRow) []AcquiredRow {
	slices.SortStableFunc(rows, func(a, b AcquiredRow) int {
		return cmp.Or(cmp.Compare(b.Customers, a.Customers), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	return rows
}

// name is what people know a value by; empty for nobody, no group and no link.
func (s *Shop) name(by, value string) string {
	id, ok := ParseID(value)
	switch {
	case by == CustomersByGroup:
		return value
	case !ok:
		return ""
	case by == CustomersByPartner:
		return s.Partner(id)
	case by == CustomersByProgram:
		if i := slices.IndexFunc(s.Programs, func(p Choice) bool { return p.ID == id }); i >= 0 {
			return s.Programs[i].Name
		}
	}
	return value
}

// Each is the mean, rounded half away from zero; 0 of no cases.
func (r Ratio) Each() int64 {
	if r.Of == 0 {
		return 0
	}
	return money.Scale(r.Sum, 1, r.Of)
}
