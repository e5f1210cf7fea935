package report

import (
	"context"

	"tributary/partners/access"
)

// The segments of customers by recency, frequency and money, in the order in which they are looked for.
const (
	SegmentChampion    = "champion"
	SegmentPromising   = "promising"
	SegmentLoyal       = "loyal"
	SegmentLosing      = "losing"
	SegmentHibernating = "hibernating"
	SegmentBetween     = "between"
)

// CustomerSegments are all of them.
func CustomerSegments() []string {
	return []string{SegmentChampion, SegmentPromising, SegmentLoyal, SegmentLosing, SegmentHibernating, SegmentBetween}
}

// A Segment is customers with how many orders they placed, and what is kept of these.
type Segment struct {
	Name                    string
	Customers, Orders, Kept int64
}

// Segments is the report on all customers up to a day.
type Segments struct {
	All Segment
	// Segments are those of CustomerSegments, all of them.
	Segments []Segment
	// Scores counts customers by their score from 1 to 5 in recency, frequency and money. Best and Worst have 5 and 1 in all.
	Recency, Frequency, Money [5]int64
	Best, Worst               int64
	// Sleeping have not ordered for three calendar months. Regulars have ordered on three days or more; Leaving are those of them who
	// are awake and late, LeavingTop those among the top fifth.
	Sleeping, Regulars, Leaving, LeavingTop int64
	// Top is the fifth of customers that brought the most, with what is kept of their orders, and Core the fewest that make 80 %.
	Top, TopKept, Core int64
}

// segmented says of each customer what the report asks: r, f and m are the scores, place the place by what is kept, leaving whether more
// than twice the own median time between days with an order has passed since the last, and at least 14 days. The top fifth is rounded up.
const segmented = `
p AS (
  SELECT customer, os, length(os) AS n, arraySum(x -> x.5, os) AS kept, os[1].6 + arraySum(x -> if(x.1 = os[1].3, x.2, 0), more) AS cost, toDate(os[-1].1, {zone:String}) AS last,
         arrayDistinct(arrayMap(x -> toInt64(toDate(x.1, {zone:String})), os)) AS days, arrayPopFront(arrayDifference(days)) AS gaps,
         toDate({to:DateTime64(6, 'UTC')}, {zone:String}) AS as_of, last < subtractMonths(as_of, 3) AS sleeping, length(days) > 2 AS regular,
         regular AND NOT sleeping AND as_of - last > greatest(arrayReduce('quantileExactLow(0.5)', gaps) + arrayReduce('quantileExactHigh(0.5)', gaps), 14) AS leaving
    FROM c
),
s AS (
  SELECT customer, os, n, kept, cost, last, days, gaps, sleeping, regular, leaving, count() OVER () AS everyone,
         1 + intDiv(5 * (rank() OVER (ORDER BY last) - 1), everyone) AS r,
         1 + intDiv(5 * (rank() OVER (ORDER BY n) - 1), everyone) AS f,
         1 + intDiv(5 * (rank() OVER (ORDER BY kept) - 1), everyone) AS m,
         row_number() OVER (ORDER BY kept DESC, customer) AS place,
         sum(kept) OVER (ORDER BY kept DESC, customer ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS above, sum(kept) OVER () AS total,
         place * 5 < everyone + 5 AS top, toInt128(above) * 5 < toInt128(total) * 4 AS core,
         multiIf(r > 3 AND f > 3 AND m > 3, 'champion', r > 3 AND f < 3, 'promising', r > 2 AND f > 2, 'loyal',
                 r < 3 AND f > 3, 'losing', r < 3 AND f < 3, 'hibernating', 'between') AS segment
    FROM p
)`

// Segments reads the report for a shop.
func (r *Reader) Segments(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop) (all Segments, err error) {
	ctx, err = customerQuery(ctx, scope, f, shop, nil)
	if err != nil {
		return all, err
	}
	var one, sums Segments
	var set string
	var score int64
	named := map[string]Segment{}
	err = r.ask(ctx, with("", segmented)+`
SELECT multiIf(grouping(segment) = 0, 'segment', grouping(r) = 0, 'r', grouping(f) = 0, 'f', grouping(m) = 0, 'm', 'all'), segment, toInt64(r + f + m),
       toInt64(count()), toInt64(sum(n)), sum(kept), toInt64(countIf(r = 5 AND f = 5 AND m = 5)), toInt64(countIf(r = 1 AND f = 1 AND m = 1)),
       toInt64(countIf(sleeping)), toInt64(countIf(regular)), toInt64(countIf(leaving)), toInt64(countIf(leaving AND top)),
       toInt64(countIf(top)), sumIf(kept, top), toInt64(countIf(core))
  FROM s GROUP BY GROUPING SETS ((), (segment), (r), (f), (m))`,
		[]any{
			&set, &one.All.Name, &score, &one.All.Customers, &one.All.Orders, &one.All.Kept, &one.Best, &one.Worst,
			&one.Sleeping, &one.Regulars, &one.Leaving, &one.LeavingTop, &one.Top, &one.TopKept, &one.Core,
		}, func() {
			switch set {
			case "all":
				recency, frequency, money := sums.Recency, sums.Frequency, sums.Money
				sums = one
				sums.Recency, sums.Frequency, sums.Money = recency, frequency, money
			case "segment":
				named[one.All.Name] = one.All
			case "r":
				sums.Recency[score-1] = one.All.Customers
			case "f":
				sums.Frequency[score-1] = one.All.Customers
			case "m":
				sums.Money[score-1] = one.All.Customers
			}
		})
	for _, name := range CustomerSegments() {
		segment := named[name]
		segment.Name = name
		sums.Segments = append(sums.Segments, segment)
	}
	return sums, err
}
