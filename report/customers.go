package report

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/internal/event"
	"tributary/partners/program"
)

// A CustomerFilter names a customer by their merchant and its id of them.
type CustomerFilter struct {
	Merchant int64
	Customer string
	After    string
}

// ParseCustomer reads the address of the operator's page.
func ParseCustomer(values url.Values, now time.Time) (CustomerFilter, error) {
	q := newQuery(values, now)
	f := CustomerFilter{Merchant: q.id("merchant"), Customer: q.text("customer"), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseCustomer reads it.
func (f CustomerFilter) Query() url.Values {
	q := url.Values{}
	setID(q, "merchant", f.Merchant)
	set(q, "customer", f.Customer)
	set(q, "after", f.After)
	return q
}

// Named tells whether the filter names a customer.
func (f CustomerFilter) Named() bool { return f.Merchant != 0 && f.Customer != "" }

// A Belonging is whom a customer belongs to.
type Belonging struct {
	Program string
	Partner string
	Since   time.Time
	Until   time.Time // zero for life
}

// A CustomerBind is what an operator has said about a customer.
type CustomerBind struct {
	Program string
	Partner string // empty where the customer is set free
	FromAt  time.Time
	Author  string
	Note    string
	At      time.Time
	TakenAt *time.Time // nil until an engine has taken it in
	Problem string     // why it has no effect
}

// A CustomerOrder is an order of a customer, with what it earns.
type CustomerOrder struct {
	No         int64
	OrderID    string
	OccurredAt time.Time
	Currency   string // empty where its sale is not known
	Amount     int64
	Outcome    string
	Partner    string
	Net        int64
	State      string
}

// A Customer is how a customer stands, for the operator.
type Customer struct {
	Merchant string
	// Known tells whether an order of theirs is known to the fold of customers: those of merchants whose terms never asked for it
	// are not.
	Known bool
	// Belongs is nil where the customer belongs to nobody.
	Belongs *Belonging
	Binds   []CustomerBind
	Orders  Page[CustomerOrder]
}

// Customer reads how a customer stands at a time, and at most limit of their orders, newest first.
func (s *Snapshot) Customer(ctx context.Context, f CustomerFilter, now time.Time, limit int) (c Customer, err error) {
	if c.Merchant, err = s.merchantName(ctx, f.Merchant); err != nil {
		return c, err
	}
	if err := s.readBelonging(ctx, f, now, &c); err != nil {
		return c, err
	}
	// name: bindings of a customer
	rows, err := s.tx.Query(ctx, `SELECT coalesce(g.name, '') AS program, coalesce(p.name, '') AS partner, b.from_at, b.author, b.note, b.at, b.taken_at, b.problem
		FROM customer_bind b LEFT JOIN program g ON g.id = b.program_id LEFT JOIN partner p ON p.id = b.partner_id
		WHERE b.key = $1 ORDER BY b.no DESC LIMIT 50`, event.OrderKey(f.Merchant, f.Customer))
	if err != nil {
		return c, fmt.Errorf("reading the bindings of a customer: %w", err)
	}
	if c.Binds, err = pgx.CollectRows(rows, pgx.RowToStructByName[CustomerBind]); err != nil {
		return c, fmt.Errorf("reading the bindings of a customer: %w", err)
	}
	c.Orders, err = s.CustomerOrders(ctx, f, limit)
	return c, err
}

func (s *Snapshot) merchantName(ctx context.Context, id int64) (name string, err error) {
	// name: name of a merchant
	err = s.tx.QueryRow(ctx, `SELECT name FROM merchant WHERE id = $1`, id).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", notFound()
	}
	if err != nil {
		return "", fmt.Errorf("reading the name of a merchant: %w", err)
	}
	return name, nil
}

// readBelonging asks the fold of customers how an order placed now would find the customer.
func (s *Snapshot) readBelonging(ctx context.Context, f CustomerFilter, now time.Time, c *Customer) error {
	who := evidence.Customer{Merchant: program.MerchantID(f.Merchant), ID: f.Customer}
	before, err := evidence.Before(ctx, s.tx, []evidence.Place{{Customer: who, At: now}})
	if err != nil {
		return err
	}
	binds, err := evidence.Binds(ctx, s.tx, []evidence.Customer{who})
	if err != nil {
		return err
	}
	var last *commission.Seen
	if seen := before[0]; len(seen) > 0 {
		c.Known, last = true, &seen[0]
	}
	next := commission.Seen{At: now}
	bound := next.Follow(last, binds[who]).Bound
	if bound == nil || bound.Partner == 0 {
		return nil
	}
	c.Belongs = &Belonging{Since: bound.Since, Until: bound.Until}
	// name: whom a customer belongs to
	err = s.tx.QueryRow(ctx, `SELECT g.name, p.name FROM program g, partner p WHERE g.id = $1 AND p.id = $2`, int64(bound.Program), int64(bound.Partner)).
		Scan(&c.Belongs.Program, &c.Belongs.Partner)
	if err != nil {
		return fmt.Errorf("reading whom a customer belongs to: %w", err)
	}
	return nil
}

// CustomerOrders reads at most limit orders of a customer, newest first.
func (s *Snapshot) CustomerOrders(ctx context.Context, f CustomerFilter, limit int) (Page[CustomerOrder], error) {
	of := list{"customer", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[CustomerOrder]{}, err
	}
	if !begun {
		from = key{At: endOfTime()}
	}
	// name: orders of a customer
	rows, err := s.tx.Query(ctx, `SELECT o.no, o.order_id, s.at AS occurred_at, coalesce(o.currency, '') AS currency, coalesce(o.amount, 0) AS amount, o.outcome,
			coalesce(c.partner, '') AS partner, coalesce(c.net, 0) AS net, coalesce(c.state, '') AS state
		FROM customer_seen s JOIN orders o ON o.no = s.order_no
		LEFT JOIN LATERAL (
			SELECT string_agg(DISTINCT p.name, ', ') AS partner, sum(x.net) FILTER (WHERE x.unit = x.currency)::bigint AS net,
			       (array_agg(x.state ORDER BY x.leads DESC, x.partner_id))[1] AS state
			  FROM commission x LEFT JOIN partner p ON p.id = x.partner_id WHERE x.order_no = o.no) c ON true
		WHERE s.merchant_id = $1 AND s.customer_id = $2 AND (s.at, s.ref) < ($3, $4) ORDER BY s.at DESC, s.ref DESC LIMIT $5`,
		f.Merchant, f.Customer, from.At, from.Text, limit+1)
	if err != nil {
		return Page[CustomerOrder]{}, fmt.Errorf("listing the orders of a customer: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[CustomerOrder])
	if err != nil {
		return Page[CustomerOrder]{}, fmt.Errorf("listing the orders of a customer: %w", err)
	}
	return cut(of, found, limit, func(o CustomerOrder) key { return key{At: o.OccurredAt, Text: o.OrderID} })
}

// BindingMerchants lists the merchants with orders that the fold of customers knows, by name.
func (s *Snapshot) BindingMerchants(ctx context.Context) ([]Choice, error) {
	// name: merchants with customers
	return s.choices(ctx, `SELECT id, name FROM merchant m WHERE EXISTS (SELECT FROM customer_seen c WHERE c.merchant_id = m.id)
		ORDER BY lower(name), id LIMIT 500`)
}

// A Binder is a program with a partner in it.
type Binder struct {
	ProgramID, PartnerID int64
	Program, Partner     string
}

// Binders lists the partners of a merchant's programs, by the names of both.
func (s *Snapshot) Binders(ctx context.Context, merchant int64) ([]Binder, error) {
	// name: partners to bind customers to
	rows, err := s.tx.Query(ctx, `SELECT g.id AS program_id, p.id AS partner_id, g.name AS program, p.name AS partner
		FROM program g JOIN enrolment e ON e.program_id = g.id JOIN partner p ON p.id = e.partner_id
		WHERE g.merchant_id = $1 ORDER BY lower(g.name), g.id, lower(p.name), p.id LIMIT 1000`, merchant)
	if err != nil {
		return nil, fmt.Errorf("listing partners to bind customers to: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Binder])
	if err != nil {
		return nil, fmt.Errorf("listing partners to bind customers to: %w", err)
	}
	return found, nil
}

// A KnownCustomer is a customer that the fold of customers knows, by their latest order.
type KnownCustomer struct {
	Customer string
	OrderID  string
	At       time.Time // of the order
	Partner  string    // whom they belonged to with that order; empty for nobody
}

// Customers reads at most limit customers of a merchant, in the order of their ids, with whom they belonged to at their latest order.
func (s *Snapshot) Customers(ctx context.Context, f CustomerFilter, limit int) (Page[KnownCustomer], error) {
	of := list{"customers", f.Query()}
	from, _, err := of.after(f.After)
	if err != nil {
		return Page[KnownCustomer]{}, err
	}
	// name: customers of a merchant
	rows, err := s.tx.Query(ctx, `
SELECT l.customer_id AS customer, o.order_id, l.at, coalesce(p.name, '') AS partner
  FROM (SELECT DISTINCT ON (customer_id) customer_id, at, order_no, coalesce(view -> 'begins', view -> 'bound') AS bound FROM customer_seen
         WHERE merchant_id = $1 AND customer_id > $2 ORDER BY customer_id, at DESC, ref DESC LIMIT $3) l
  JOIN orders o ON o.no = l.order_no
  LEFT JOIN partner p ON p.id = (l.bound ->> 'partner')::bigint AND coalesce((l.bound ->> 'until')::timestamptz, 'infinity') > l.at
 ORDER BY l.customer_id`, f.Merchant, from.Text, limit+1)
	if err != nil {
		return Page[KnownCustomer]{}, fmt.Errorf("listing customers: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[KnownCustomer])
	if err != nil {
		return Page[KnownCustomer]{}, fmt.Errorf("listing customers: %w", err)
	}
	return cut(of, found, limit, func(c KnownCustomer) key { return key{Text: c.Customer} })
}
