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
)

// A Dispute is a customer's dispute of their payment of an order.
type Dispute struct {
	No       int64
	Ref      string // its id, as the payment provider has it
	OrderNo  int64
	OrderID  string
	Merchant string
	Currency string
	Amount   *int64 // minor units of Currency; nil where it is the whole order
	At       time.Time
	Due      time.Time
	TakenAt  *time.Time // nil until it has taken effect
	Side     string     // whose people entered it
	Author   string     // empty for a partner, as Note is
	Note     string
	// State is one of commission.DisputeStates. A partner sees an end once it has taken effect.
	State string
	// The rest about the end is nil while the dispute is open.
	OutcomeNo     *int64
	OutcomeAt     *time.Time
	OutcomeDue    *time.Time
	OutcomeTaken  *time.Time
	OutcomeSide   string
	OutcomeAuthor string
	OutcomeNote   string
}

// Open tells that nobody has said how it ended.
func (d *Dispute) Open() bool { return d.State == string(commission.DisputeOpen) }

// Settleable tells that somebody may say how it ended.
func (d *Dispute) Settleable() bool { return d.Open() && d.TakenAt != nil }

// A DisputeFilter is what a list of disputes is narrowed to.
type DisputeFilter struct {
	Order int64 // by its number
	State string
	Text  string // in the order's id, or in the dispute's
	After string
}

// ParseDisputes reads the address of a list.
func ParseDisputes(values url.Values, now time.Time) (DisputeFilter, error) {
	q := newQuery(values, now)
	f := DisputeFilter{State: q.oneOf("state", DisputeStates()...), Text: q.text("q"), After: q.get("after")}
	return f, q.err()
}

// DisputeStates are those that a list can be narrowed to.
func DisputeStates() []string {
	var names []string
	for _, state := range commission.DisputeStates() {
		names = append(names, string(state))
	}
	return names
}

// Query is the filter as ParseDisputes reads it.
func (f DisputeFilter) Query() url.Values {
	q := url.Values{}
	set(q, "state", f.State)
	set(q, "q", f.Text)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f DisputeFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

//go:embed query/disputes.sql
var disputesSQL string

// Disputes reads at most limit disputes of the scope, newest first.
func (s *Snapshot) Disputes(ctx context.Context, f DisputeFilter, limit int) (Page[Dispute], error) {
	of := list{"disputes", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Dispute]{}, err
	}
	if !begun {
		from.ID = math.MaxInt64
	}
	rows, err := s.tx.Query(ctx, disputesSQL, pgx.NamedArgs{
		"merchant": int64(s.scope.Merchant), "order": f.Order, "state": f.State, "text": f.Text, "after": from.ID, "limit": limit + 1,
	})
	if err != nil {
		return Page[Dispute]{}, fmt.Errorf("listing disputes: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Dispute])
	if err != nil {
		return Page[Dispute]{}, fmt.Errorf("listing disputes: %w", err)
	}
	return cut(of, found, limit, func(d Dispute) key { return key{ID: d.No} })
}

// MaxShownDisputes is how many disputes an order's page shows: all that it can have.
const MaxShownDisputes = commission.MaxDisputes

// readDisputes lists the disputes of an order, oldest first.
func (s *Snapshot) readDisputes(ctx context.Context, e *Explanation) error {
	page, err := s.Disputes(ctx, DisputeFilter{Order: e.No}, MaxShownDisputes)
	e.Disputes = page.Rows
	slices.Reverse(e.Disputes)
	return err
}

// OrderCurrency is that of an order of the scope, empty where its sale is not known.
func (s *Snapshot) OrderCurrency(ctx context.Context, order int64) (currency string, err error) {
	// name: currency of an order
	if err := s.tx.QueryRow(ctx, `SELECT coalesce(currency, '') FROM orders WHERE no = $1`, order).Scan(&currency); err != nil {
		return "", fmt.Errorf("reading the currency of an order: %w", err)
	}
	return currency, nil
}

// OpenDisputes counts the disputes of the scope of which nobody has said how they ended, up to 1000.
func (s *Snapshot) OpenDisputes(ctx context.Context) (n int64, err error) {
	// name: open disputes
	err = s.tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM open_dispute WHERE $1::bigint = 0 OR merchant_id = $1 LIMIT 1000) d`,
		int64(s.scope.Merchant)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting open disputes: %w", err)
	}
	return n, nil
}
