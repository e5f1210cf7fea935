package report

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
)

// A Conflict is a report without effect: one that said something else than the one before it, or a refund beyond those
// that an order takes, which has no first.
type Conflict struct {
	OrderNo       int64
	OrderID       string
	EventID       string // of the report without effect
	Kind          event.Kind
	Ref           string
	ReceivedAt    time.Time
	FirstAt       time.Time
	First, Second []byte // event.Event as it came
	Reason        string
}

// Refused tells whether the report is not held against another.
func (c *Conflict) Refused() bool { return c.Reason == "too_many_refunds" }

// A ConflictFilter is what a list of conflicts is narrowed to.
type ConflictFilter struct {
	Text  string
	Days  Days // of the receipt
	After string
}

// ParseConflicts reads the address of a merchant's list.
func ParseConflicts(values url.Values, now time.Time) (ConflictFilter, error) {
	q := newQuery(values, now)
	f := ConflictFilter{Text: q.text("q"), Days: q.days(), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseConflicts reads it.
func (f ConflictFilter) Query() url.Values {
	q := url.Values{}
	set(q, "q", f.Text)
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f ConflictFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

const conflictColumns = `SELECT x.order_no, o.order_id, x.event_id::text AS event_id, x.kind, x.ref, x.received_at,
			coalesce(e.received_at, x.received_at) AS first_at, e.payload AS first, x.payload AS second, x.reason
		FROM order_conflict x JOIN orders o ON o.no = x.order_no
		LEFT JOIN order_event e ON e.order_no = x.order_no AND e.kind = x.kind AND e.ref = x.ref`

// rivals reads the reports of an order that said something else, the last first.
func (s *Snapshot) rivals(ctx context.Context, order int64) ([]Conflict, error) {
	// name: conflicts of an order
	rows, err := s.tx.Query(ctx, conflictColumns+` WHERE x.order_no = $1 ORDER BY x.received_at DESC, x.event_id DESC LIMIT 20`, order)
	if err != nil {
		return nil, fmt.Errorf("reading the conflicts of an order: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Conflict])
	if err != nil {
		return nil, fmt.Errorf("reading the conflicts of an order: %w", err)
	}
	return found, nil
}

// Conflicts reads at most limit conflicts of the scope's merchant, newest first. Those that were received in one
// microsecond are kept apart by order and event.
func (s *Snapshot) Conflicts(ctx context.Context, f ConflictFilter, limit int) (Page[Conflict], error) {
	of := list{"conflicts", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Conflict]{}, err
	}
	if !begun {
		from = key{At: endOfTime(), Text: "00000000-0000-0000-0000-000000000000"}
	}
	begin, end := f.Days.bounds()
	// name: conflicts
	rows, err := s.tx.Query(ctx, conflictColumns+` WHERE x.merchant_id = $1 AND ($2 = '' OR position(lower($2) IN lower(o.order_id)) > 0)
		  AND x.received_at >= $3 AND x.received_at < $4 AND (x.received_at, x.order_no, x.event_id) < ($5, $6, $7::uuid)
		ORDER BY x.received_at DESC, x.order_no DESC, x.event_id DESC LIMIT $8`,
		int64(s.scope.Merchant), f.Text, begin, end, from.At, from.ID, from.Text, limit+1)
	if err != nil {
		return Page[Conflict]{}, fmt.Errorf("listing conflicts: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Conflict])
	if err != nil {
		return Page[Conflict]{}, fmt.Errorf("listing conflicts: %w", err)
	}
	return cut(of, found, limit, func(c Conflict) key { return key{At: c.ReceivedAt, Text: c.EventID, ID: c.OrderNo} })
}

// OddRefunds counts the orders of the scope's merchant with refunds of what they do not have.
func (s *Snapshot) OddRefunds(ctx context.Context) (n int64, err error) {
	// name: odd refunds
	err = s.tx.QueryRow(ctx, `SELECT count(*) FROM orders WHERE merchant_id = $1 AND refund_oddities > 0 AND keys = 0`, int64(s.scope.Merchant)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting odd refunds: %w", err)
	}
	return n, nil
}
