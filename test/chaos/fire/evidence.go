package fire

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/ledger/chart"
	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/test/chaos/model"
)

// Fact names what a report says something about: an order's sale, or one of its refunds.
type Fact struct {
	model.OrderKey

	Refund string // its id; empty for the sale
	IsSale bool
}

// Evidence is what stands in the stores.
type Evidence struct {
	// At is when it was gathered.
	At time.Time
	// Bounded says that merchants were to report more than they may, so that some of it was refused.
	Bounded bool
	// Clicks are the click ids in ClickHouse, by the attempt that brought them.
	Clicks map[int64][]string
	// NotEnrolled are those of partners who were out of the program.
	NotEnrolled map[string]bool
	// Paths are the clicks before each click in ClickHouse that has some, Away counts the rows of the clicks of days that are over.
	Paths map[string][]string
	Away  map[string]int
	// Crowd counts the rows of the crowd's clicks by click id.
	Crowd map[string]int
	// Reports counts the rows of ClickHouse by event id, and Rows by what they are about.
	Reports map[string]int
	Rows    map[Fact]int
	// Booked are the facts that count in PostgreSQL, Disputed the other contents that were reported for them.
	Booked   map[Fact]int
	Disputed map[Fact]int
	// Told is what orders were told of the clicks before their own.
	Told map[model.OrderKey]Told
	// Acts are the rows that people's acts have made, by the attempt.
	Acts map[int64][]Row
	// Received is when the sale that counts of each order was received.
	Received map[model.OrderKey]time.Time
	// Orders are the orders as the engine sees them, with their commission.
	Orders map[model.OrderKey]model.Order
	// Bonuses are what the months of partners come to, without those that come to nothing.
	Bonuses map[model.Bonus]int64
	// Balances are the sums of the postings, of all accounts that are not at zero.
	Balances map[model.Account]int64
	// Decided is what the ledger events in ClickHouse add up to.
	Decided map[model.OrderKey]Sums
	// Shown is what the pages sum up for partners, of orders and months, and ShownMonths what they say of months alone.
	Shown       map[Earner]Sums
	ShownMonths map[model.Bonus]int64
	// Resent counts the records that Kafka holds more than once, because an acknowledgement was lost.
	Resent int64
	// Alarms are conditions that ask for a person.
	Alarms []string
}

// Told is what an order was told of the clicks before its own.
type Told struct {
	Click      string
	Before     []string
	Incomplete bool
}

// Earner is a partner of a program, in a currency.
type Earner struct {
	Merchant, Program, Partner int64
	Currency                   string
}

// Sums are the figures of an order in the reports, or of many, minor units.
type Sums struct{ Orders, Revenue, Refunded, Gross, Net, Fee, Pending, Payable int64 }

// Stored is how much there is, for the summary.
type Stored struct {
	Clicks   int `json:"clicks"`
	Crowd    int `json:"crowd,omitempty"`
	Reports  int `json:"reports"`
	Orders   int `json:"orders"`
	Credited int `json:"credited"`
	Shared   int `json:"shared"` // by several partners
	Coded    int `json:"coded"`  // by a coupon or referral code alone
	Months   int `json:"months"` // of partners, that came to something
	Disputed int `json:"disputed"`
	Reviewed int `json:"reviewed"` // and claimed: acts of people that count
	Undone   int `json:"undone"`   // acts that were withdrawn in time
	Told     int `json:"told"`     // orders that were told of clicks before their own
	Unknown  int `json:"unknown"`  // orders of which nobody knew
	Counted  int `json:"counted"`  // days of partners with clicks that are paid
	Accounts int `json:"accounts"`
	Resent   int `json:"resent"`
}

// Add adds what another run has stored.
func (s *Stored) Add(other Stored) {
	s.Clicks += other.Clicks
	s.Crowd += other.Crowd
	s.Reports += other.Reports
	s.Orders += other.Orders
	s.Credited += other.Credited
	s.Shared += other.Shared
	s.Coded += other.Coded
	s.Months += other.Months
	s.Disputed += other.Disputed
	s.Reviewed += other.Reviewed
	s.Undone += other.Undone
	s.Told += other.Told
	s.Unknown += other.Unknown
	s.Counted += other.Counted
	s.Accounts += other.Accounts
	s.Resent += other.Resent
}

// Stored counts what there is.
func (e *Evidence) Stored() Stored {
	s := Stored{Clicks: len(e.Clicks), Crowd: len(e.Crowd), Reports: len(e.Reports), Orders: len(e.Orders), Disputed: len(e.Disputed), Months: len(e.Bonuses), Accounts: len(e.Balances), Resent: int(e.Resent)}
	for _, t := range e.Told {
		if t.Incomplete {
			s.Unknown++
		} else if len(t.Before) > 0 {
			s.Told++
		}
	}
	for _, rows := range e.Acts {
		for n := range rows {
			if rows[n].withdrawn() {
				s.Undone++
			} else if rows[n].Verb != Undo {
				s.Reviewed++
			}
		}
	}
	for _, o := range e.Orders {
		if o.Clicks {
			s.Counted++
			continue
		}
		if o.Credited {
			s.Credited++
		}
		if len(o.Commissions) > 1 {
			s.Shared++
		}
		if len(o.Commissions) == 1 && o.Commissions[0].Link == 0 {
			s.Coded++
		}
	}
	return s
}

// Gather reads the stores.
func Gather(ctx context.Context, at embedded.Addresses) (*Evidence, error) {
	e := &Evidence{
		At: time.Now(), Clicks: map[int64][]string{}, NotEnrolled: map[string]bool{}, Crowd: map[string]int{}, Reports: map[string]int{}, Rows: map[Fact]int{}, Booked: map[Fact]int{},
		Disputed: map[Fact]int{}, Received: map[model.OrderKey]time.Time{}, Orders: map[model.OrderKey]model.Order{}, Bonuses: map[model.Bonus]int64{}, Balances: map[model.Account]int64{}, Decided: map[model.OrderKey]Sums{},
		Paths: map[string][]string{}, Away: map[string]int{}, Told: map[model.OrderKey]Told{}, Acts: map[int64][]Row{}, Shown: map[Earner]Sums{}, ShownMonths: map[model.Bonus]int64{},
	}
	db, err := pgx.Connect(ctx, at.PostgresURL)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer db.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	rows, err := clickhouse.Open(at.ClickHouseURL, 1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for _, read := range []func(context.Context, *pgx.Conn) error{e.facts, e.told, e.acts, e.disputes, e.orders, e.bonuses, e.balances, e.resent, e.alarms} {
		if err := read(ctx, db); err != nil {
			return nil, fmt.Errorf("gathering evidence from PostgreSQL: %w", err)
		}
	}
	months, err := e.months(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("gathering evidence from PostgreSQL: %w", err)
	}
	for _, read := range []func(context.Context, clickhouse.Conn) error{e.clicks, e.paths, e.reports, e.decisions, e.shown, e.shownMonths(months)} {
		if err := read(ctx, rows); err != nil {
			return nil, fmt.Errorf("gathering evidence from ClickHouse: %w", err)
		}
	}
	return e, nil
}

func (e *Evidence) facts(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `SELECT o.merchant_id, o.order_id, f.kind = 1, f.ref, f.received_at FROM order_event f JOIN orders o ON o.no = f.order_no WHERE f.kind <> 3 AND o.keys = 0`)
	if err != nil {
		return err
	}
	var f Fact
	var received time.Time
	_, err = pgx.ForEachRow(rows, []any{&f.Merchant, &f.Order, &f.IsSale, &f.Refund, &received}, func() error {
		e.Booked[f]++
		if f.IsSale {
			e.Received[f.OrderKey] = received.UTC()
		}
		return nil
	})
	return err
}

func (e *Evidence) disputes(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `SELECT o.merchant_id, o.order_id, c.kind = 1, c.ref FROM order_conflict c JOIN orders o ON o.no = c.order_no`)
	if err != nil {
		return err
	}
	var f Fact
	_, err = pgx.ForEachRow(rows, []any{&f.Merchant, &f.Order, &f.IsSale, &f.Refund}, func() error {
		e.Disputed[f]++
		return nil
	})
	return err
}

// orders leaves out what remains of a commission that its order is no longer decided for: it is declined or, where it was taken
// back whole before, still reversed, of nothing. So one of nothing that somebody has declined is left out as well.
func (e *Evidence) orders(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `
SELECT o.merchant_id, o.order_id, o.occurred_at IS NOT NULL, o.outcome = 'credited', o.outcome = 'voided', o.keys = 2, o.amount, o.refunded, c.partner_id IS NOT NULL,
       coalesce(c.partner_id, 0), coalesce(c.role, ''), coalesce(c.program_id, 0), coalesce(c.link_id, 0), coalesce(c.unit, ''), coalesce(c.lines, 0),
       coalesce(c.revenue, 0), coalesce(c.refunded, 0), coalesce(c.gross, 0), coalesce(c.net, 0), coalesce(c.fee, 0),
       coalesce(c.pending, 0), coalesce(c.payable, 0), coalesce(c.held, 0), coalesce(c.state, '')
  FROM orders o LEFT JOIN commission c ON c.order_no = o.no AND (c.state NOT IN ('declined', 'reversed') OR c.gross > 0)
 ORDER BY o.no, c.partner_id, c.role COLLATE "C"`)
	if err != nil {
		return err
	}
	var k model.OrderKey
	var o model.Order
	var c model.Commission
	var earns bool
	_, err = pgx.ForEachRow(rows, []any{
		&k.Merchant, &k.Order, &o.Placed, &o.Credited, &o.Void, &o.Clicks, &o.Amount, &o.Refunded, &earns,
		&c.Partner, &c.Role, &c.Program, &c.Link, &c.Currency, &c.Lines, &c.Revenue, &c.Refunded, &c.Gross, &c.Net, &c.Fee, &c.Pending, &c.Payable, &c.Held, &c.State,
	}, func() error {
		o.Commissions = e.Orders[k].Commissions
		if earns {
			o.Commissions = append(o.Commissions, c)
		}
		e.Orders[k] = o
		return nil
	})
	return err
}

func (e *Evidence) bonuses(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `SELECT merchant_id, program_id, partner_id, rule, span, unit, net FROM period WHERE net <> 0`)
	if err != nil {
		return err
	}
	var b model.Bonus
	var net int64
	_, err = pgx.ForEachRow(rows, []any{&b.Merchant, &b.Program, &b.Partner, &b.Rule, &b.Month, &b.Currency, &net}, func() error {
		e.Bonuses[b] = net
		return nil
	})
	return err
}

func (e *Evidence) balances(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `
SELECT a.kind, coalesce(a.merchant_id, 0), coalesce(a.partner_id, 0), a.unit, sum(m.amount)::bigint
  FROM account a JOIN (SELECT debit AS account, amount FROM posting UNION ALL SELECT credit, -amount FROM posting) m ON m.account = a.id
 GROUP BY 1, 2, 3, 4 HAVING sum(m.amount) <> 0`)
	if err != nil {
		return err
	}
	var a model.Account
	var debits int64
	_, err = pgx.ForEachRow(rows, []any{&a.Kind, &a.Merchant, &a.Partner, &a.Currency, &debits}, func() error {
		e.Balances[a] = chart.Kind(a.Kind).Amount(debits, 0)
		return nil
	})
	return err
}

// resent compares how many records the loader has read with how many different ones it has seen.
func (e *Evidence) resent(ctx context.Context, db *pgx.Conn) error {
	return db.QueryRow(ctx, `
SELECT ((SELECT coalesce(sum(next_offset), 0) FROM position WHERE consumer = 'loader')
      - (SELECT coalesce(sum(seq), 0) FROM high_water WHERE consumer = 'loader'))::bigint`).Scan(&e.Resent)
}

func (e *Evidence) alarms(ctx context.Context, db *pgx.Conn) error {
	rows, err := db.Query(ctx, `
SELECT format('%s is halted on %s/%s: %s', consumer, topic, partition, halted) FROM position WHERE halted <> ''
UNION ALL SELECT format('%s has a gap in %s/%s', consumer, topic, partition) FROM high_water WHERE gap <> 0
UNION ALL SELECT format('batch %s/%s from %s on is %s: %s', topic, partition, first_offset, state, problem) FROM clickhouse_batch WHERE state <> 'done'
UNION ALL SELECT format('dead letter of %s in %s/%s at %s: %s', consumer, topic, partition, "offset", error) FROM dead_letter
UNION ALL SELECT format('ledger events %s to %s of lane %s have not left', first_seq, last_seq, lane) FROM ledger_outbox o LEFT JOIN ledger_sent s USING (lane) WHERE o.last_seq > coalesce(s.through_seq, 0)
UNION ALL SELECT format('facts %s to %s of lane %s have not left', first_seq, last_seq, lane) FROM order_outbox o LEFT JOIN order_sent s USING (lane) WHERE o.last_seq > coalesce(s.through_seq, 0)
UNION ALL SELECT format('order %s waits for its path', no) FROM orders WHERE outcome = 'awaiting_path'`)
	if err != nil {
		return err
	}
	alarms, err := pgx.CollectRows(rows, pgx.RowTo[string])
	e.Alarms = append(e.Alarms, alarms...)
	return err
}

func (e *Evidence) clicks(ctx context.Context, conn clickhouse.Conn) error {
	rows, err := conn.Query(ctx, `SELECT sub1, click_id, bitAnd(marks, 8) != 0 FROM touch`)
	if err != nil {
		return err
	}
	var attempt, id string
	var out bool
	return clickhouse.ForEachRow(rows, []any{&attempt, &id, &out}, func() {
		if out {
			e.NotEnrolled[id] = true
		}
		switch attempt {
		case crowdName:
			e.Crowd[id]++
			return
		case awayName:
			e.Away[id]++
			return
		}
		n, err := strconv.ParseInt(attempt, 10, 64)
		if err != nil {
			n = -1 // nobody's
		}
		e.Clicks[n] = append(e.Clicks[n], id)
	})
}

func (e *Evidence) reports(ctx context.Context, conn clickhouse.Conn) error {
	rows, err := conn.Query(ctx, `SELECT toString(event_id), merchant_id, order_id, kind = 'sale', ref FROM order_event WHERE kind NOT IN ('path', 'clicks')`)
	if err != nil {
		return err
	}
	var id string
	var f Fact
	var sale uint8
	return clickhouse.ForEachRow(rows, []any{&id, &f.Merchant, &f.Order, &sale, &f.Refund}, func() {
		f.IsSale = sale == 1
		e.Reports[id]++
		e.Rows[f]++
	})
}

func (e *Evidence) decisions(ctx context.Context, conn clickhouse.Conn) error {
	rows, err := conn.Query(ctx, `
SELECT merchant_id, order_id, sumIf(toInt64(orders), NOT further), sumIf(revenue, NOT further), sumIf(refunded, NOT further), sum(gross), sum(net), sum(fee), sum(pending), sum(payable)
  FROM ledger GROUP BY merchant_id, order_id`)
	if err != nil {
		return err
	}
	var k model.OrderKey
	var s Sums
	return clickhouse.ForEachRow(rows, []any{
		&k.Merchant, &k.Order, &s.Orders, &s.Revenue, &s.Refunded, &s.Gross, &s.Net, &s.Fee, &s.Pending, &s.Payable,
	}, func() { e.Decided[k] = s })
}
