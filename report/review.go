package report

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
)

// A Review is what somebody has said about an order, and what became of it.
type Review struct {
	No        int64
	Ref       string // its id within the order
	Verb      string
	Code      string
	PartnerID int64 // whose share it is about, 0 for the order
	Until     *time.Time
	Report    string // the content hash of the report that is to stand
	Side      string // a commission.Side
	Author    string // empty for a partner
	Note      string
	At        time.Time
	Due       time.Time
	TakenAt   *time.Time // nil until the engine has taken it, or somebody withdrawn
	Problem   string
	// NoEffect is a commission.NoEffect, empty where the review does what it says.
	NoEffect string
}

// What has become of a review.
const (
	ReviewWaits     = "waits"
	ReviewDone      = "done"
	ReviewWithdrawn = "withdrawn"
	ReviewNothing   = "nothing"
)

// Became is what has become of the review: one of the four above.
func (r *Review) Became() string { return became(r.TakenAt, r.Problem, r.NoEffect) }

func became(taken *time.Time, problem, noEffect string) string {
	switch {
	case taken == nil:
		return ReviewWaits
	case problem == ReviewWithdrawn:
		return ReviewWithdrawn
	case problem != "" || noEffect != "":
		return ReviewNothing
	}
	return ReviewDone
}

// readReviews lists what was said about an order, oldest first. Of what has become of it the order's record tells.
func (s *Snapshot) readReviews(ctx context.Context, e *Explanation) error {
	// name: reviews of an order
	rows, err := s.tx.Query(ctx, `SELECT no, ref, verb, code, partner_id, until, report, side, author, note, at, due, taken_at, problem, '' AS no_effect
		FROM scoped_review WHERE order_no = $1 ORDER BY at, ref LIMIT 1000`, e.No)
	if err != nil {
		return fmt.Errorf("reading an order's reviews: %w", err)
	}
	if e.Reviews, err = pgx.CollectRows(rows, pgx.RowToStructByName[Review]); err != nil {
		return fmt.Errorf("reading an order's reviews: %w", err)
	}
	for i := range e.Reviews {
		r := &e.Reviews[i]
		if n := slices.IndexFunc(e.Decision.Order.Reviews, func(of commission.Review) bool { return of.ID == r.Ref }); n >= 0 {
			r.NoEffect = string(e.Decision.Order.Reviews[n].NoEffect)
		}
	}
	return nil
}

// Why an order awaits a decision.
const (
	WaitsHeld     = "held"
	WaitsConflict = "conflict"
	WaitsAsked    = "asked"
)

// Waits lists them.
func Waits() []string { return []string{WaitsHeld, WaitsConflict, WaitsAsked} }

// An Awaiting is an order that awaits a decision of a person.
type Awaiting struct {
	No         int64
	MerchantID int64
	Merchant   string
	OrderID    string
	OccurredAt time.Time
	Currency   string
	Amount     int64
	Outcome    string
	Partner    string
	Net        int64
	State      string
	// Why are some of Waits.
	Why []string
	// AskedBy is the side that has asked for another report to stand, where the other has not yet.
	AskedBy string
}

// A ReviewFilter is what the list of orders that await a decision is narrowed to.
type ReviewFilter struct {
	Why      string
	Merchant int64
	Days     Days
	Text     string
	After    string
}

// ParseReview reads the address of the list.
func ParseReview(values url.Values, now time.Time) (ReviewFilter, error) {
	q := newQuery(values, now)
	f := ReviewFilter{Why: q.oneOf("why", Waits()...), Merchant: q.id("merchant"), Days: q.days(), Text: q.text("q"), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseReview reads it.
func (f ReviewFilter) Query() url.Values {
	q := url.Values{}
	set(q, "why", f.Why)
	setID(q, "merchant", f.Merchant)
	set(q, "q", f.Text)
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f ReviewFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

//go:embed query/waiting.sql
var waitingSQL string

//go:embed query/awaiting.sql
var awaitingSQL string

// Awaiting reads at most limit orders of the scope that await a decision, newest first.
func (s *Snapshot) Awaiting(ctx context.Context, f ReviewFilter, limit int) (Page[Awaiting], error) {
	of := list{"review", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Awaiting]{}, err
	}
	if !begun {
		from = key{At: endOfTime(), ID: math.MaxInt64}
	}
	if s.scope.Merchant != 0 {
		f.Merchant = int64(s.scope.Merchant)
	}
	begin, end := f.Days.bounds()
	rows, err := s.tx.Query(ctx, waitingSQL+awaitingSQL, pgx.NamedArgs{
		"merchant": f.Merchant, "within": nil, "why": f.Why, "text": f.Text, "from": begin, "to": end, "at": from.At, "no": from.ID, "limit": limit + 1,
	})
	if err != nil {
		return Page[Awaiting]{}, fmt.Errorf("listing orders that await a decision: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Awaiting])
	if err != nil {
		return Page[Awaiting]{}, fmt.Errorf("listing orders that await a decision: %w", err)
	}
	return cut(of, found, limit, func(o Awaiting) key { return key{At: o.OccurredAt, ID: o.No} })
}

// Named gives the orders of the scope with some numbers as what a review names them by, each with its number.
func (s *Snapshot) Named(ctx context.Context, numbers []int64) (named map[int64]commission.Reviewed, err error) {
	// name: orders to be reviewed
	rows, err := s.tx.Query(ctx, `SELECT no, merchant_id, order_id, keys FROM orders WHERE no = ANY ($1) AND ($2::bigint = 0 OR merchant_id = $2)`,
		numbers, int64(s.scope.Merchant))
	if err != nil {
		return nil, fmt.Errorf("naming orders to be reviewed: %w", err)
	}
	named = make(map[int64]commission.Reviewed, len(numbers))
	var no int64
	var of commission.Reviewed
	var keys int16
	_, err = pgx.ForEachRow(rows, []any{&no, &of.Merchant, &of.Order, &keys}, func() error {
		of.Keys = event.KeyKind(keys)
		named[no] = of
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("naming orders to be reviewed: %w", err)
	}
	return named, nil
}

// A Done is one order of an act on several: what was said of it, and what became of that.
type Done struct {
	No       int64 // of the review
	OrderNo  int64
	OrderID  string
	Verb     string
	Code     string
	Side     string // a commission.Side
	Author   string
	Note     string
	Due      time.Time
	TakenAt  *time.Time
	Problem  string
	NoEffect string
}

// Became is what has become of it, as of a Review.
func (d *Done) Became() string { return became(d.TakenAt, d.Problem, d.NoEffect) }

// Act reads what was said about orders of the scope's merchant, or of all for the operator, at a time, in the order of its numbers:
// what engine.Desk.Review wrote at once. A time at which nothing was said is not found.
func (s *Snapshot) Act(ctx context.Context, at time.Time) ([]Done, error) {
	// name: act on orders
	rows, err := s.tx.Query(ctx, `SELECT no, order_no, order_id, verb, code, side, author, note, due, taken_at, problem, no_effect
		FROM review_act WHERE at = $1 ORDER BY no LIMIT $2`, at, maxActs)
	if err != nil {
		return nil, fmt.Errorf("reading what was said about orders: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Done])
	if err != nil {
		return nil, fmt.Errorf("reading what was said about orders: %w", err)
	}
	if len(found) == 0 {
		return nil, notFound()
	}
	return found, nil
}

// maxActs bounds what is read of one time: what can be said at once, twice over, should two people have said it in one microsecond.
const maxActs = 2000

// MerchantsAwaiting lists merchants with orders on hold or that were reported again with other content, by name.
func (s *Snapshot) MerchantsAwaiting(ctx context.Context) ([]Choice, error) {
	// name: merchants with orders that await a decision
	return s.choices(ctx, `SELECT id, name FROM merchant m WHERE EXISTS (SELECT FROM commission c WHERE c.merchant_id = m.id AND c.state = 'held')
		OR EXISTS (SELECT FROM order_conflict x WHERE x.merchant_id = m.id AND x.received_at > now() - interval '90 days') ORDER BY lower(name), id LIMIT 500`)
}
