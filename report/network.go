package report

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/partners/program"
)

// A Merchant is a merchant of the network with a period's figures.
type Merchant struct {
	ID       int64
	Name     string
	SortName string // by which the list is in order
	Programs int64
	Partners int64
	Late     int64 // orders of the period that were reported late
	// Clicks, Orders on which partners earn, and Costs, which are commissions and fees, are what CountMerchants adds.
	Clicks, Orders int64    `db:"-"`
	Costs          []Amount `db:"-"`
	order          currencies
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

// Merchants reads at most limit merchants of the network, by name, without what CountMerchants adds.
func (s *Snapshot) Merchants(ctx context.Context, f MerchantFilter, limit int) (Page[Merchant], error) {
	of := list{"merchants", f.Query()}
	from, _, err := of.after(f.After)
	if err != nil {
		return Page[Merchant]{}, err
	}
	// name: merchants of the network
	rows, err := s.tx.Query(ctx, `SELECT m.id, m.name, lower(m.name) AS sort_name, (SELECT count(*) FROM program g WHERE g.merchant_id = m.id) AS programs,
			(SELECT count(DISTINCT e.partner_id) FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = m.id) AS partners,
			(SELECT count(*) FROM orders o WHERE o.merchant_id = m.id AND o.late AND o.keys = 0 AND o.occurred_at >= @from AND o.occurred_at < @to) AS late
		FROM merchant m
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
		found[i].order = order
	}
	return cut(of, found, limit, func(m Merchant) key { return key{Text: m.SortName, ID: m.ID} })
}

// CountMerchants adds clicks, orders and costs of the question's period to merchants. All of it is ClickHouse's: PostgreSQL
// would go through every commission of the period for each look at the list.
func (r *Reader) CountMerchants(ctx context.Context, q Question, merchants []Merchant) error {
	clicks, err := r.CountBy(ctx, q, Clicks(), ByMerchant)
	if err != nil {
		return err
	}
	orders, err := r.CountBy(ctx, q, CreditedOrders(), ByMerchant)
	if err != nil {
		return err
	}
	costs, err := r.costs(ctx, q)
	if err != nil {
		return err
	}
	for i := range merchants {
		m := &merchants[i]
		m.Clicks, m.Orders, m.Costs = clicks[m.ID], orders[m.ID], costs[m.ID]
		slices.SortFunc(m.Costs, func(a, b Amount) int { return m.order.compare(a.Currency, b.Currency) })
	}
	return nil
}

// costs adds up commissions and fees by merchant and currency.
func (r *Reader) costs(ctx context.Context, q Question) (map[int64][]Amount, error) {
	ctx, where, err := within(ctx, q.Scope, q.parameters())
	if err != nil {
		return nil, err
	}
	rows, err := r.counts.Query(ctx, `SELECT merchant_id, toString(unit) AS code, toInt64(sum(net + fee)) FROM ledger_15m
		WHERE `+where+` AND unit != '`+program.UnitPoint+`' AND quarter >= toDateTime({from:Int64}, 'UTC') AND quarter < toDateTime({to:Int64}, 'UTC')
		GROUP BY merchant_id, code HAVING sum(orders) > 0 OR sum(net + fee) != 0`)
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse for costs: %w", err)
	}
	costs := map[int64][]Amount{}
	var merchant int64
	var a Amount
	err = clickhouse.ForEachRow(rows, []any{&merchant, &a.Currency, &a.Minor}, func() { costs[merchant] = append(costs[merchant], a) })
	if err != nil {
		return nil, fmt.Errorf("reading costs: %w", err)
	}
	return costs, nil
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
		(SELECT count(*) FROM (SELECT FROM order_conflict c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.no = c.order_no AND o.keys = 1) LIMIT 1000) x),
		(SELECT count(*) FROM (SELECT FROM orders WHERE refund_oddities > 0 AND keys = 0 AND occurred_at > now() - interval '30 days' LIMIT 1000) x),
		(SELECT count(*) FROM (SELECT FROM orders WHERE occurred_at IS NULL AND keys = 0 LIMIT 1000) x),
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
		(SELECT count(*) FROM orders WHERE merchant_id = $1 AND late AND keys = 0 AND occurred_at >= $2 AND occurred_at < $3)`,
		int64(s.scope.Merchant), p.From, p.To).Scan(&n.Partners, &n.Keys, &n.Late)
	if err != nil {
		return n, fmt.Errorf("counting partners, keys and late orders: %w", err)
	}
	return n, nil
}
