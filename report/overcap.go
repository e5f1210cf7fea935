package report

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/period"
)

// An OverCapOrder is an order that counts in a period and is over its cap, or crosses it.
type OverCapOrder struct {
	No         int64
	OrderID    string
	OccurredAt time.Time
	Net        int64 // what the payee earns on it before the cap, in minor units of the period's unit
	State      string
	Part       period.Part `db:"-"`
}

// An OverCapFilter is what a list of orders over a cap is narrowed to.
type OverCapFilter struct {
	Text  string
	Days  Days
	After string
}

// ParseOverCap reads the address of a period's page.
func ParseOverCap(values url.Values, now time.Time) (OverCapFilter, error) {
	q := newQuery(values, now)
	f := OverCapFilter{Text: q.text("q"), Days: q.days(), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseOverCap reads it.
func (f OverCapFilter) Query() url.Values {
	q := url.Values{}
	set(q, "q", f.Text)
	f.Days.set(q)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f OverCapFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

// OverCap reads at most limit orders of a period that are over its cap, in the order in which they count. Of a cap on the commission
// itself no order is: its days say how much is.
func (s *Snapshot) OverCap(ctx context.Context, p *PeriodExplained, f OverCapFilter, limit int) (Page[OverCapOrder], error) {
	boundary := p.Record.Cap()
	if boundary == nil {
		return Page[OverCapOrder]{}, nil
	}
	of := list{fmt.Sprintf("over %d", p.No), f.Query()}
	from, _, err := of.after(f.After)
	if err != nil {
		return Page[OverCapOrder]{}, err
	}
	begin, end := f.Days.bounds()
	// name: orders over a cap
	rows, err := s.tx.Query(ctx, `SELECT c.order_no AS no, o.order_id, c.occurred_at, c.net, c.state
		FROM commission c JOIN scoped_order o ON o.no = c.order_no
		WHERE c.partner_id = @partner AND c.program_id = @program AND c.role = @role AND c.unit = @unit AND c.net > 0
		  AND c.occurred_at >= @from AND c.occurred_at < @to AND c.occurred_at < @last::timestamptz + interval '3 days'
		  AND (c.occurred_at, o.order_id COLLATE "C") >= (@boundary, @first) AND (c.occurred_at, o.order_id COLLATE "C") > (@at, @id)
		  AND (@text::text = '' OR position(lower(@text) IN lower(o.order_id)) > 0)
		  AND EXISTS (SELECT FROM json_array_elements(o.record::json -> 'credits') k, json_array_elements(k -> 'counted' -> 'in') i
		       WHERE (k ->> 'partner')::bigint = @partner AND coalesce(k ->> 'role', 'partner') = @role AND i ->> 'rule' = @rule AND i ->> 'span' = @span)
		ORDER BY c.occurred_at, o.order_id COLLATE "C" LIMIT @limit`, pgx.NamedArgs{
		"partner": int64(p.PartnerID), "program": int64(p.ProgramID), "role": p.Role, "unit": p.Unit, "rule": p.Rule, "span": p.Span, "last": p.LastDay,
		"from": begin, "to": end, "boundary": boundary.At, "first": boundary.ID, "at": from.At, "id": from.Text, "text": f.Text, "limit": limit + 1,
	})
	if err != nil {
		return Page[OverCapOrder]{}, fmt.Errorf("listing orders over a cap: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[OverCapOrder])
	if err != nil {
		return Page[OverCapOrder]{}, fmt.Errorf("listing orders over a cap: %w", err)
	}
	for i := range found {
		found[i].Part = boundary.Of(found[i].OccurredAt, found[i].OrderID)
	}
	return cut(of, found, limit, func(o OverCapOrder) key { return key{At: o.OccurredAt, Text: o.OrderID} })
}
