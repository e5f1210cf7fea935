package report

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Merchant is a merchant of the network with a period's figures.
type Merchant struct {
	ID         int64
	Name       string
	SortName   string // by which the list is in order
	Programs   int64
	Partners   int64
	Currencies []string
	Counts     []int64 // orders by currency
	Sums       []int64 // cost by currency
	Late       int64   // orders of the period that were reported late
	Orders     int64   `db:"-"`
	// Costs are commissions and fees by currency.
	Costs []Amount `db:"-"`
	// Clicks come from ClickHouse.
	Clicks int64 `db:"-"`
}

// A MerchantFilter is what the list of merchants is narrowed to. Period is that of their figures.
type MerchantFilter struct {
	Text   string
	Period Period
	After  string
}

// ParseMerchants reads the address of the network's list.
func ParseMerchants(values url.Values, now time.Time) (MerchantFilter, error) {
	q := newQuery(values, now)
	f := MerchantFilter{Text: q.text("q"), Period: q.period(), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseMerchants reads it.
func (f MerchantFilter) Query() url.Values {
	q := f.Period.Query()
	set(q, "q", f.Text)
	set(q, "after", f.After)
	return q
}

// Late leads to the late orders of a merchant in the filter's period.
func (f MerchantFilter) Late(m Merchant) LateFilter {
	return LateFilter{Merchant: m.ID, Days: f.Period.Span()}
}

// Merchants reads at most limit merchants of the network, by name, without their clicks.
func (s *Snapshot) Merchants(ctx context.Context, f MerchantFilter, limit int) (Page[Merchant], error) {
	of := list{"merchants", f.Query()}
	from, _, err := of.after(f.After)
	if err != nil {
		return Page[Merchant]{}, err
	}
	// name: merchants of the network
	rows, err := s.tx.Query(ctx, `SELECT m.id, m.name, lower(m.name) AS sort_name, (SELECT count(*) FROM program g WHERE g.merchant_id = m.id) AS programs,
			(SELECT count(DISTINCT e.partner_id) FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = m.id) AS partners,
			coalesce(c.currencies, '{}') AS currencies, coalesce(c.counts, '{}') AS counts, coalesce(c.sums, '{}') AS sums,
			(SELECT count(*) FROM orders o WHERE o.merchant_id = m.id AND o.late AND o.occurred_at >= @from AND o.occurred_at < @to) AS late
		FROM merchant m LEFT JOIN (
			SELECT merchant_id, array_agg(currency ORDER BY currency) AS currencies, array_agg(orders ORDER BY currency) AS counts,
				array_agg(cost ORDER BY currency) AS sums
			FROM (SELECT merchant_id, currency, count(*) FILTER (WHERE leads) AS orders, sum(net + fee)::bigint AS cost FROM commission
				WHERE program_id IN (SELECT id FROM program) AND unit = currency AND occurred_at >= @from AND occurred_at < @to GROUP BY merchant_id, currency) x GROUP BY merchant_id) c
		ON c.merchant_id = m.id
		WHERE (@text::text = '' OR position(lower(@text) IN lower(m.name)) > 0) AND (lower(m.name), m.id) > (@name::text, @id::bigint)
		ORDER BY lower(m.name), m.id LIMIT @limit`, pgx.NamedArgs{
		"text": f.Text, "from": f.Period.From, "to": f.Period.To, "name": from.Text, "id": from.ID, "limit": limit + 1,
	})
	if err != nil {
		return Page[Merchant]{}, fmt.Errorf("listing merchants: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Merchant])
	if err != nil {
		return Page[Merchant]{}, fmt.Errorf("listing merchants: %w", err)
	}
	order, err := s.currencies(ctx)
	if err != nil {
		return Page[Merchant]{}, err
	}
	for i := range found {
		m := &found[i]
		m.Orders, m.Costs = sum(m.Counts), order.amounts(m.Currencies, m.Sums)
	}
	return cut(of, found, limit, func(m Merchant) key { return key{Text: m.SortName, ID: m.ID} })
}

// CountMerchants adds the clicks of the question's period to merchants.
func (r *Reader) CountMerchants(ctx context.Context, q Question, merchants []Merchant) error {
	clicks, err := r.CountBy(ctx, q, Clicks(), ByMerchant)
	for i := range merchants {
		merchants[i].Clicks = clicks[merchants[i].ID]
	}
	return err
}

// Network counts what there is, and what may need a person.
type Network struct {
	Merchants, Programs, Partners, Links int64
	// Conflicts, OverRefunds of 30 days and Waiting, orders without their sale, are each counted up to a thousand.
	Conflicts, OverRefunds, Waiting int64
	LastPosted                      *time.Time // nil where nothing was posted
}

// Network counts the network.
func (s *Snapshot) Network(ctx context.Context) (n Network, err error) {
	// name: network counted
	err = s.tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM merchant), (SELECT count(*) FROM program), (SELECT count(*) FROM partner), (SELECT count(*) FROM link),
		(SELECT count(*) FROM (SELECT FROM order_conflict LIMIT 1000) x),
		(SELECT count(*) FROM (SELECT FROM orders WHERE refund_oddities > 0 AND occurred_at > now() - interval '30 days' LIMIT 1000) x),
		(SELECT count(*) FROM (SELECT FROM orders WHERE occurred_at IS NULL LIMIT 1000) x),
		(SELECT max(posted_at) FROM (SELECT posted_at FROM posting ORDER BY seq DESC LIMIT 1) x)`).
		Scan(&n.Merchants, &n.Programs, &n.Partners, &n.Links, &n.Conflicts, &n.OverRefunds, &n.Waiting, &n.LastPosted)
	if err != nil {
		return n, fmt.Errorf("counting the network: %w", err)
	}
	return n, nil
}

// Setup counts what a merchant has set up.
type Setup struct {
	Partners int64
	Keys     int64 // live ones
	Late     int64 // orders of the period that were reported late
}

// Setup counts what the scope's merchant has set up.
func (s *Snapshot) Setup(ctx context.Context, p Period) (n Setup, err error) {
	// name: merchant set-up
	err = s.tx.QueryRow(ctx, `SELECT (SELECT count(DISTINCT e.partner_id) FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = $1),
		(SELECT count(*) FROM api_key WHERE merchant_id = $1 AND revoked_at IS NULL),
		(SELECT count(*) FROM orders WHERE merchant_id = $1 AND late AND occurred_at >= $2 AND occurred_at < $3)`,
		int64(s.scope.Merchant), p.From, p.To).Scan(&n.Partners, &n.Keys, &n.Late)
	if err != nil {
		return n, fmt.Errorf("counting partners, keys and late orders: %w", err)
	}
	return n, nil
}
