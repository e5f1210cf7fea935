package report

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/partners/program"
)

// A Commission is what a partner gets on one order in one role. Money is in minor units: Revenue and Refunded are the
// order's in Currency, the rest is in Unit.
type Commission struct {
	OrderNo    int64
	OrderID    string
	OccurredAt time.Time
	Currency   string
	Lines      int // those with a rate above zero
	Revenue    int64
	Refunded   int64
	Gross      int64
	Net        int64
	Fee        int64
	State      string
	HoldUntil  time.Time
	Late       bool // the order was
	Clicks     bool // the order stands for the clicks of a day
	Program    string
	Partner    string
	PartnerID  int64
	Role       string
	Unit       string
	Link       string
	Label      string
	LinkID     int64
}

// The orders that a list of commissions may be in.
const (
	SortNewest  = "newest"
	SortOldest  = "oldest"
	SortLargest = "largest" // within each currency
)

// A CommissionFilter is what a list of commissions is narrowed to.
type CommissionFilter struct {
	Partner  program.PartnerID // for a merchant, who reads the commissions of all
	State    string
	Program  int64
	Link     int64
	Currency string // of the commission
	Days     Days   // of the order
	Text     string
	Sort     string // SortNewest when empty
	After    string
}

// States are those that a commission can be in: nothing pays one yet.
func States() []string {
	return []string{string(commission.Pending), string(commission.Payable), string(commission.Held), string(commission.Declined), string(commission.Reversed)}
}

// ParseCommissions reads the address of a partner's list.
func ParseCommissions(values url.Values, now time.Time) (CommissionFilter, error) {
	q := newQuery(values, now)
	f := CommissionFilter{
		State: q.oneOf("state", States()...), Program: q.id("program"), Link: q.id("link"), Currency: q.currency("currency"), Days: q.days(),
		Text: q.text("q"), Sort: cmp.Or(q.oneOf("sort", SortNewest, SortOldest, SortLargest), SortNewest), After: q.get("after"),
	}
	return f, q.err()
}

// Query is the filter as ParseCommissions reads it.
func (f CommissionFilter) Query() url.Values {
	q := url.Values{}
	set(q, "state", f.State)
	setID(q, "program", f.Program)
	setID(q, "link", f.Link)
	set(q, "currency", f.Currency)
	set(q, "q", f.Text)
	if f.Sort != SortNewest {
		set(q, "sort", f.Sort)
	}
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// In is the filter narrowed to a currency.
func (f CommissionFilter) In(currency string) CommissionFilter {
	f.Currency = currency
	return f
}

// Narrowed tells whether the filter leaves anything out.
func (f CommissionFilter) Narrowed() bool {
	f.Sort, f.After = "", ""
	return len(f.Query()) > 0
}

//go:embed query/commissions.sql
var commissionsSQL string

// following is how the list goes on behind a key, and its order. An order has several commissions, told apart by partner,
// role and unit.
func (f CommissionFilter) following() (condition, order string) {
	const tie = `c.partner_id, c.role || '/' || c.unit`
	switch f.Sort {
	case SortOldest:
		return ` AND (c.occurred_at, c.order_no, ` + tie + `) > (@at, @no::bigint, @who::bigint, @tie::text)`, ` ORDER BY c.occurred_at, c.order_no, ` + tie
	case SortLargest:
		return ` AND (c.unit, -c.net, -c.order_no, ` + tie + `) > (@after_unit::text, @minor::bigint, @no::bigint, @who::bigint, @tie::text)`,
			` ORDER BY c.unit, c.net DESC, c.order_no DESC, ` + tie
	}
	return ` AND (c.occurred_at, c.order_no) <= (@at, @no::bigint) AND ((c.occurred_at, c.order_no) < (@at, @no::bigint) OR (` + tie + `) > (@who::bigint, @tie::text))`,
		` ORDER BY c.occurred_at DESC, c.order_no DESC, ` + tie
}

// key is the place of a row in the list's order.
func (f CommissionFilter) key(c Commission) key {
	k := key{At: c.OccurredAt, ID: c.OrderNo, B: c.PartnerID, Tie: c.Role + "/" + c.Unit}
	if f.Sort == SortLargest {
		k.At, k.Text, k.A, k.ID = time.Time{}, c.Unit, -c.Net, -c.OrderNo
	}
	return k
}

// first is the place before the first row.
func (f CommissionFilter) first() key {
	switch f.Sort {
	case SortOldest:
		return key{At: firstTime()}
	case SortLargest:
		return key{A: math.MinInt64, ID: math.MinInt64}
	}
	return key{At: endOfTime(), ID: math.MaxInt64}
}

// commissionNames gives the names of what a page of commissions speaks of by number.
const commissionNames = `SELECT c.order_no, o.order_id, c.occurred_at, c.currency, c.lines, c.revenue, c.refunded, c.gross, c.net, c.fee, c.state, c.hold_until, o.late, o.clicks,
	g.name AS program, coalesce(p.name, '') AS partner, c.partner_id, c.role, c.unit, coalesce(l.code, '') AS link, coalesce(l.label, '') AS label, c.link_id
	FROM page c JOIN scoped_order o ON o.no = c.order_no JOIN program g ON g.id = c.program_id LEFT JOIN partner p ON p.id = c.partner_id LEFT JOIN link l ON l.id = c.link_id`

// Commissions reads at most limit commissions of the scope. One of which nothing is left, since another took its place, is listed where
// the filter asks for declined ones or for its order.
func (s *Snapshot) Commissions(ctx context.Context, f CommissionFilter, limit int) (Page[Commission], error) {
	of := list{"commissions", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Commission]{}, err
	}
	if !begun {
		from = f.first()
	}
	begin, end := f.Days.bounds()
	condition, order := f.following()
	rows, err := s.tx.Query(ctx, `WITH page AS (`+commissionsSQL+condition+order+` LIMIT @limit) `+commissionNames+order, pgx.NamedArgs{
		"merchant": int64(s.scope.Merchant), "partner": int64(cmp.Or(s.scope.Partner, f.Partner)), "state": f.State, "program": f.Program,
		"link": f.Link, "currency": f.Currency, "text": f.Text, "limit": limit + 1, "from": begin, "to": end,
		"at": from.At, "no": from.ID, "after_unit": from.Text, "minor": from.A, "who": from.B, "tie": from.Tie,
	})
	if err != nil {
		return Page[Commission]{}, fmt.Errorf("listing commissions: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Commission])
	if err != nil {
		return Page[Commission]{}, fmt.Errorf("listing commissions: %w", err)
	}
	return cut(of, found, limit, f.key)
}
