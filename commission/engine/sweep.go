package engine

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/fault/inject"
	"tributary/internal/postgres"
)

const (
	// sweepChanges, sweepTouched and sweepOrders bound a transaction of the sweep: what has changed, what was touched, and of each
	// customer the orders from there on. What is behind them is touched again.
	sweepChanges = 200
	sweepTouched = 1000
	sweepOrders  = 100
)

//go:embed query/update_views.sql
var updateViews string

// takeTouched takes what has changed in the orders of customers of a lane. What is not committed yet stays for the next look.
const takeTouched = `
DELETE FROM customer_touched WHERE no IN (SELECT no FROM customer_touched WHERE lane = $1 ORDER BY no LIMIT $2)
RETURNING merchant_id, customer_id, at, ref`

// toSweep tells whether anything was touched in a lane, and how many changes are to be compared, at most $2.
const toSweep = `SELECT EXISTS (SELECT FROM customer_touched WHERE lane = $1), (SELECT count(*) FROM (SELECT FROM customer_change WHERE lane = $1 AND compared IS NULL LIMIT $2) fresh)`

// sweep works out how customers of the lane stood by their orders from the first of these on that something has changed at,
// and nudges the orders that were decided by another view. Two orders of one customer at one moment, in two lanes, do not see
// one another; what they leave behind is compared when both can be seen.
func (l *lane) sweep(ctx context.Context) (more bool, err error) {
	var waits bool
	var changes int
	err = l.cfg.DB.QueryRow(ctx, toSweep, l.held.Partition, sweepChanges).Scan(&waits, &changes)
	if err != nil || !waits && changes == 0 {
		return false, err
	}
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			if _, err := l.held.Lock(ctx, tx); err != nil {
				return err
			}
			// It brings the programs up to date, too.
			if _, err := l.gather(ctx, tx, nil); err != nil {
				return err
			}
			shared, err := l.compare(ctx, tx)
			if err != nil {
				return err
			}
			touched, err := l.takeTouched(ctx, tx)
			if err != nil {
				return err
			}
			more = len(touched) == sweepTouched || changes == sweepChanges
			left, err := l.refresh(ctx, tx, stretchesOf(append(touched, shared...)))
			more = more || left
			inject.Reach(inject.EngineBeforeCommit)
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("working out how customers stand: %w", err)
	}
	return more, nil
}

// stretch is a customer with the places among their orders at which something has changed: the first, and all.
type stretch struct {
	evidence.Place

	touched []evidence.Place
}

func (l *lane) takeTouched(ctx context.Context, tx pgx.Tx) (places []evidence.Place, err error) {
	rows, err := tx.Query(ctx, takeTouched, l.held.Partition, sweepTouched)
	if err != nil {
		return nil, fmt.Errorf("taking what has changed: %w", err)
	}
	places, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p evidence.Place, err error) {
		err = row.Scan(&p.Customer.Merchant, &p.Customer.ID, &p.At, &p.Ref)
		p.At = p.At.UTC()
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("taking what has changed: %w", err)
	}
	return places, nil
}

// stretchesOf puts places together by customers.
func stretchesOf(places []evidence.Place) (stretches []*stretch) {
	by := map[evidence.Customer]*stretch{}
	for _, p := range places {
		s := by[p.Customer]
		if s == nil {
			s = &stretch{Place: p}
			by[p.Customer], stretches = s, append(stretches, s)
		}
		if p.Before(s.Place) {
			s.Place = p
		}
		s.touched = append(s.touched, p)
	}
	return stretches
}

// through is the last place.
func (s *stretch) through() *commission.Seen {
	last := s.Place
	for _, p := range s.touched {
		if last.Before(p) {
			last = p
		}
	}
	return &commission.Seen{At: last.At, Ref: last.Ref}
}

// refresh works the views of stretches out, writes those that have changed, and nudges their orders. It reports whether a
// stretch goes on.
func (l *lane) refresh(ctx context.Context, tx pgx.Tx, stretches []*stretch) (left bool, err error) {
	if len(stretches) == 0 {
		return false, nil
	}
	seenBefore, err := snapshot(ctx, tx)
	if err != nil {
		return false, err
	}
	places, customers := make([]evidence.Place, len(stretches)), make([]evidence.Customer, len(stretches))
	for i, s := range stretches {
		places[i], customers[i] = s.Place, s.Customer
	}
	orders, err := evidence.From(ctx, tx, places, sweepOrders)
	if err != nil {
		return false, err
	}
	binds, err := evidence.Binds(ctx, tx, customers)
	if err != nil {
		return false, err
	}
	var found viewColumns
	made := changes{}
	l.buf.touched.Reset(5)
	for i, s := range stretches {
		var prev *commission.Seen
		from := orders[i]
		if len(from) > 0 && evidence.PlaceOf(s.Customer, &from[0]).Before(s.Place) {
			prev, from = &from[0], from[1:]
		}
		changed, settled := commission.Refresh(prev, from, binds[s.Customer], s.through())
		for _, n := range changed {
			found.add(l.Engine, s.Customer, &from[n])
			made.add(changedPlace{Place: evidence.PlaceOf(s.Customer, &from[n])}, l.cfg.Partitions)
		}
		if settled || len(from) < sweepOrders {
			continue
		}
		left = true
		last := evidence.PlaceOf(s.Customer, &from[len(from)-1])
		copyTouch(&l.buf.touched, last, l.cfg.Partitions)
		for _, p := range s.touched {
			if last.Before(p) {
				copyTouch(&l.buf.touched, p, l.cfg.Partitions)
			}
		}
	}
	l.metrics.swept.Add(float64(len(found.merchant)))
	if err := l.buf.touched.Send(ctx, tx, copyTouched); err != nil {
		return false, fmt.Errorf("writing which customers to look at: %w", err)
	}
	if err := made.write(ctx, tx, seenBefore); err != nil {
		return false, err
	}
	return left, found.write(ctx, tx)
}

// viewColumns are orders whose view has changed, column by column, and of those the ones to be decided again.
type viewColumns struct {
	merchant            []int64
	customer, ref, view []string
	at                  []time.Time
	lane                []int
	nudged              []int64
}

func (c *viewColumns) add(e *Engine, customer evidence.Customer, s *commission.Seen) {
	c.merchant = append(c.merchant, int64(customer.Merchant))
	c.customer = append(c.customer, customer.ID)
	c.at = append(c.at, s.At)
	c.ref = append(c.ref, s.Ref)
	c.view = append(c.view, string(s.View.AppendJSON(nil)))
	// Terms of before the merchant's first that ask do not look at a view.
	if from, asks := e.programs.AsksForCustomers(customer.Merchant); asks && !s.At.Before(from) {
		c.lane = append(c.lane, event.Lane(event.OrderKey(int64(customer.Merchant), s.Ref), e.cfg.Partitions))
		c.nudged = append(c.nudged, s.No)
	}
}

func (c *viewColumns) write(ctx context.Context, tx pgx.Tx) error {
	if len(c.merchant) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	batch.Queue(updateViews, c.merchant, c.customer, c.at, c.ref, c.view)
	batch.Queue(insertNudges, c.lane, c.nudged)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("changing %d views: %w", len(c.merchant), err)
	}
	return nil
}

// bind enters what an operator said about a customer, and has their orders from then on looked at.
func (l *lane) bind(ctx context.Context, tx pgx.Tx, no int64, b inbox.Binding) error {
	if _, err := l.gather(ctx, tx, nil); err != nil {
		return err
	}
	months := 0
	if b.Partner != 0 {
		var binds bool
		if months, binds = monthsBound(l.programs, &b); !binds {
			return &recordError{cause: fmt.Errorf("the terms of program %d bound nobody at %s", b.Program, b.From.Format(time.RFC3339)), certain: true}
		}
	}
	if sold, known := l.programs.Program(b.Program); !known || sold.Merchant != b.Merchant {
		return &recordError{cause: fmt.Errorf("program %d is not one of merchant %d", b.Program, b.Merchant), certain: true}
	}
	customer := evidence.Customer{Merchant: b.Merchant, ID: b.Customer}
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO customer_event (merchant_id, customer_id, from_at, no, program_id, partner_id, months) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		b.Merchant, b.Customer, b.From, no, b.Program, b.Partner, months)
	batch.Queue(`INSERT INTO customer_touched (lane, merchant_id, customer_id, at, ref) VALUES ($1, $2, $3, $4, '')`,
		customer.Lane(l.cfg.Partitions), b.Merchant, b.Customer, b.From)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("binding a customer: %w", err)
	}
	made := changes{}
	made.add(changedPlace{Place: evidence.Place{Customer: customer, At: b.From}}, l.cfg.Partitions)
	return made.writeNow(ctx, tx)
}
