package report

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/partners/access"
	"tributary/partners/program"
)

// An Order is an order of a merchant as its list has it. Money is in minor units of Currency.
type Order struct {
	No         int64
	OrderID    string
	OccurredAt *time.Time // nil until the sale itself is known
	Currency   string
	Goal       string // empty for a sale
	Test       bool
	Clicks     bool // it stands for the clicks of a day
	Added      bool // a later report added to it
	Lines      int
	Amount     int64
	Refunded   int64
	CustomerID string
	Outcome    string
	OverRefund int64
	// RefundOddities counts what refunds asked for beyond what was left, also where OverRefund is 0.
	RefundOddities int
	Conflict       bool
	Late           bool
	ReceivedAt     *time.Time // of the sale's report
	Partner        string
	Net            int64
	Fee            int64
	State          string
}

// Placed is when the order was placed, zero until the sale itself is known.
func (o Order) Placed() time.Time {
	if o.OccurredAt == nil {
		return time.Time{}
	}
	return o.OccurredAt.UTC()
}

// What a list of orders can be narrowed to besides reasons.
const (
	OutcomeNobody = "nobody" // every reason why nobody earned

	OddityConflict   = "conflict"
	OddityOverRefund = "over_refund"
	OddityLate       = "late"
	OddityTest       = "test"
	OddityAdded      = "added"
)

// GoalSale is what a list is narrowed to that has only sales; every other goal is named by itself.
const GoalSale = "sale"

// An OrderFilter is what a list of orders is narrowed to.
type OrderFilter struct {
	Outcome string // a commission.Reason or OutcomeNobody
	Oddity  string
	Goal    string // GoalSale or another
	Partner int64  // narrows the commissions, too
	// Currency is that of the order.
	Currency string
	// Coupon is a coupon or referral code that the order names, however it is written.
	Coupon string
	Key    int64 // an API key that reported something of the order, with or without effect
	Days   Days  // leave out orders of which only a refund is known, since those have no time
	Text   string
	After  string
}

// Outcomes are the reasons that an order can end with.
func Outcomes() []commission.Reason {
	var reasons []commission.Reason
	for _, reason := range commission.Reasons() {
		if reason.OfOrder() {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// ParseOrders reads the address of a merchant's list.
func ParseOrders(values url.Values, now time.Time) (OrderFilter, error) {
	outcomes := []string{OutcomeNobody}
	for _, o := range Outcomes() {
		outcomes = append(outcomes, string(o))
	}
	q := newQuery(values, now)
	f := OrderFilter{
		Outcome: q.oneOf("outcome", outcomes...), Oddity: q.oneOf("oddity", OddityConflict, OddityOverRefund, OddityLate, OddityTest, OddityAdded),
		Goal: q.text("goal"), Partner: q.id("partner"), Currency: q.currency("currency"), Coupon: q.text("coupon"), Key: q.id("key"), Days: q.days(), Text: q.text("q"), After: q.get("after"),
	}
	return f, q.err()
}

// Query is the filter as ParseOrders reads it.
func (f OrderFilter) Query() url.Values {
	q := url.Values{}
	set(q, "outcome", f.Outcome)
	set(q, "oddity", f.Oddity)
	set(q, "goal", f.Goal)
	setID(q, "partner", f.Partner)
	set(q, "currency", f.Currency)
	set(q, "coupon", f.Coupon)
	setID(q, "key", f.Key)
	set(q, "q", f.Text)
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// In is the filter narrowed to a currency.
func (f OrderFilter) In(currency string) OrderFilter {
	f.Currency = currency
	return f
}

// Narrowed tells whether the filter leaves anything out.
func (f OrderFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

// AwaitingSale tells whether the list is of orders whose sale is not known, which have no time.
func (f OrderFilter) AwaitingSale() bool { return f.Outcome == string(commission.AwaitingSale) }

//go:embed query/orders.sql
var ordersSQL string

// How a list of orders goes on behind a key: by time, and those of which only a refund is known, which have none, by number.
const (
	ordersByTime = ` AND o.occurred_at >= @from AND o.occurred_at < @to AND (o.occurred_at, o.no) < (@at, @no::bigint)
		ORDER BY o.occurred_at DESC, o.no DESC LIMIT @limit`
	ordersWithoutTime = ` AND o.occurred_at IS NULL AND o.no < @no::bigint ORDER BY o.no DESC LIMIT @limit`
)

// Orders reads at most limit orders of the scope's merchant: those that have a time, newest first, and after them those
// that have none unless days were asked for.
func (s *Snapshot) Orders(ctx context.Context, f OrderFilter, limit int) (Page[Order], error) {
	of := list{"orders", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Order]{}, err
	}
	if !begun {
		from = key{At: endOfTime(), ID: math.MaxInt64}
	}
	var found []Order
	if timeless := begun && from.At.IsZero(); !timeless && !f.AwaitingSale() {
		if found, err = s.orders(ctx, f, from, limit+1, ordersByTime); err != nil {
			return Page[Order]{}, err
		}
		from = key{ID: math.MaxInt64}
	}
	if f.Days.open() && len(found) <= limit {
		rest, err := s.orders(ctx, f, from, limit+1-len(found), ordersWithoutTime)
		if err != nil {
			return Page[Order]{}, err
		}
		found = append(found, rest...)
	}
	return cut(of, found, limit, func(o Order) key { return key{At: o.Placed(), ID: o.No} })
}

// args are the filter's as the query of orders names them.
func (f OrderFilter) args(scope access.Scope) pgx.NamedArgs {
	begin, end := f.Days.bounds()
	return pgx.NamedArgs{
		"merchant": int64(scope.Merchant), "outcome": f.Outcome, "oddity": f.Oddity, "goal": f.Goal, "partner": f.Partner, "currency": f.Currency,
		"coupon": program.NormalCode(f.Coupon), "key": f.Key, "text": f.Text, "from": begin, "to": end,
	}
}

func (s *Snapshot) orders(ctx context.Context, f OrderFilter, from key, limit int, following string) ([]Order, error) {
	args := f.args(s.scope)
	args["limit"], args["at"], args["no"] = limit, from.At, from.ID
	rows, err := s.tx.Query(ctx, ordersSQL+following, args)
	if err != nil {
		return nil, fmt.Errorf("listing orders: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Order])
	if err != nil {
		return nil, fmt.Errorf("listing orders: %w", err)
	}
	return found, nil
}

// AwaitingSale counts the orders of the scope's merchant of which only a refund is known, up to 1000.
func (s *Snapshot) AwaitingSale(ctx context.Context) (n int64, err error) {
	// name: orders without a sale
	err = s.tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM orders WHERE merchant_id = $1 AND occurred_at IS NULL AND keys = 0 LIMIT 1000) waiting`,
		int64(s.scope.Merchant)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting orders without a sale: %w", err)
	}
	return n, nil
}

// Goals lists the goals of the scope's merchant's orders beside sales, by name, at most 50.
func (s *Snapshot) Goals(ctx context.Context) ([]string, error) {
	// name: goals of a merchant, one step in the index for each
	rows, err := s.tx.Query(ctx, `WITH RECURSIVE g (goal, n) AS (
			SELECT (SELECT min(goal) FROM orders WHERE merchant_id = $1 AND goal > ''), 1
			UNION ALL SELECT (SELECT min(goal) FROM orders WHERE merchant_id = $1 AND goal > g.goal), n + 1 FROM g WHERE g.goal IS NOT NULL AND n < 50)
		SELECT goal FROM g WHERE goal IS NOT NULL`, int64(s.scope.Merchant))
	if err != nil {
		return nil, fmt.Errorf("listing goals: %w", err)
	}
	goals, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing goals: %w", err)
	}
	return goals, nil
}

// A LateOrder is an order that was reported more than 48 hours after it was placed.
type LateOrder struct {
	No         int64
	MerchantID int64
	Merchant   string
	OrderID    string
	OccurredAt time.Time
	ReceivedAt time.Time
	Currency   string
	Amount     int64
	Outcome    string
	Partner    string
	Net        int64
	State      string
	KeyID      int64
	Network    string // that the report came from, cut off as with clicks
}

// A LateFilter is what a list of late orders is narrowed to.
type LateFilter struct {
	Merchant int64
	Days     Days
	After    string
}

// ParseLate reads the address of the network's list.
func ParseLate(values url.Values, now time.Time) (LateFilter, error) {
	q := newQuery(values, now)
	f := LateFilter{Merchant: q.id("merchant"), Days: q.days(), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseLate reads it.
func (f LateFilter) Query() url.Values {
	q := url.Values{}
	setID(q, "merchant", f.Merchant)
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f LateFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

//go:embed query/late.sql
var lateSQL string

// LateOrders reads at most limit late orders of the network, newest first.
func (s *Snapshot) LateOrders(ctx context.Context, f LateFilter, limit int) (Page[LateOrder], error) {
	of := list{"late", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[LateOrder]{}, err
	}
	if !begun {
		from = key{At: endOfTime(), ID: math.MaxInt64}
	}
	begin, end := f.Days.bounds()
	rows, err := s.tx.Query(ctx, lateSQL, pgx.NamedArgs{"merchant": f.Merchant, "from": begin, "to": end, "at": from.At, "no": from.ID, "limit": limit + 1})
	if err != nil {
		return Page[LateOrder]{}, fmt.Errorf("listing late orders: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[LateOrder])
	if err != nil {
		return Page[LateOrder]{}, fmt.Errorf("listing late orders: %w", err)
	}
	return cut(of, found, limit, func(o LateOrder) key { return key{At: o.OccurredAt, ID: o.No} })
}

// MerchantsWithLate lists merchants that have late orders, by name.
func (s *Snapshot) MerchantsWithLate(ctx context.Context) ([]Choice, error) {
	// name: merchants with late orders
	return s.choices(ctx, `SELECT id, name FROM merchant m WHERE EXISTS (SELECT FROM orders o WHERE o.merchant_id = m.id AND o.late AND o.keys = 0)
		ORDER BY lower(name), id LIMIT 500`)
}
