package engine

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/evidence"
)

// Two transactions may change orders of one customer and not see one another. Each leaves behind what it has changed and what it had
// seen; who holds the customer's lane holds that against the others' when it can see both, and has to look at the orders of those
// customers alone whom two of them share, and one of them has moved (sweep).

// changes are what a transaction changes in the orders of customers, by the customers' lanes.
type changes map[int]*placeColumns

// placeColumns are such places among the orders of customers, column by column.
type placeColumns struct {
	merchants       []int64
	customers, refs []string
	ats             []time.Time
	quiet           []bool
}

// changedPlace is a place at which something has changed. It is quiet where all that has is that there is an order now that does not move
// the customer: of two such orders neither concerns the other, whether or not they saw one another.
type changedPlace struct {
	evidence.Place

	quiet bool
}

func (c changes) add(p changedPlace, partitions int) {
	lane := p.Customer.Lane(partitions)
	if c[lane] == nil {
		c[lane] = &placeColumns{}
	}
	to := c[lane]
	to.merchants, to.customers = append(to.merchants, int64(p.Customer.Merchant)), append(to.customers, p.Customer.ID)
	to.ats, to.refs, to.quiet = append(to.ats, p.At), append(to.refs, p.Ref), append(to.quiet, p.quiet)
}

const insertChange = `INSERT INTO customer_change (lane, seen, merchants, customers, ats, refs, quiet) VALUES ($1, $2::text::pg_snapshot, $3, $4, $5, $6, $7)`

// write leaves them behind, of a transaction that had seen so much at least before it read the customers' orders.
func (c changes) write(ctx context.Context, tx pgx.Tx, seen string) error {
	if len(c) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, lane := range slices.Sorted(maps.Keys(c)) {
		p := c[lane]
		batch.Queue(insertChange, lane, seen, p.merchants, p.customers, p.ats, p.refs, p.quiet)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("writing what has changed in the orders of customers: %w", err)
	}
	return nil
}

// writeNow leaves them behind, of a transaction that does not depend on what others have changed.
func (c changes) writeNow(ctx context.Context, tx pgx.Tx) error {
	if len(c) == 0 {
		return nil
	}
	seen, err := snapshot(ctx, tx)
	if err != nil {
		return err
	}
	return c.write(ctx, tx, seen)
}

// snapshot tells which transactions are committed.
func snapshot(ctx context.Context, tx pgx.Tx) (seen string, err error) {
	if err := tx.QueryRow(ctx, `SELECT pg_current_snapshot()::text`).Scan(&seen); err != nil {
		return "", fmt.Errorf("asking what is committed: %w", err)
	}
	return seen, nil
}

//go:embed query/compare_changes.sql
var compareChanges string

// change is what one transaction has changed in a lane, by customers, and the numbers of those that it did not see, nor they it.
type change struct {
	no     int64
	others []int64
	places map[evidence.Customer][]changedPlace
}

// compare holds what has changed against what else has, and gives the places of customers whom two transactions share that did not see
// one another, and of which one is not quiet.
func (l *lane) compare(ctx context.Context, tx pgx.Tx) (shared []evidence.Place, err error) {
	rows, err := tx.Query(ctx, compareChanges, l.held.Partition, sweepChanges)
	if err != nil {
		return nil, fmt.Errorf("comparing what has changed: %w", err)
	}
	var all []*change
	byNo := map[int64]*change{}
	var no int64
	var others []int64
	var p placeColumns
	_, err = pgx.ForEachRow(rows, []any{&no, &others, &p.merchants, &p.customers, &p.ats, &p.refs, &p.quiet}, func() error {
		c := &change{no: no, others: others, places: p.byCustomer()}
		all, byNo[no] = append(all, c), c
		others, p = nil, placeColumns{}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("comparing what has changed: %w", err)
	}
	for _, c := range all {
		for _, other := range c.others {
			if other > c.no {
				shared = append(shared, sharedBy(c.places, byNo[other].places)...)
			}
		}
	}
	return shared, nil
}

func (c *placeColumns) byCustomer() map[evidence.Customer][]changedPlace {
	by := make(map[evidence.Customer][]changedPlace, len(c.merchants))
	for i := range c.merchants {
		p := changedPlace{evidence.Place{Customer: evidence.CustomerOf(c.merchants[i], c.customers[i]), At: c.ats[i].UTC(), Ref: c.refs[i]}, c.quiet[i]}
		by[p.Customer] = append(by[p.Customer], p)
	}
	return by
}

// sharedBy are the places of customers that are in both, but for those of whom all are quiet.
func sharedBy(a, b map[evidence.Customer][]changedPlace) (shared []evidence.Place) {
	for customer, places := range a {
		more := b[customer]
		if len(more) == 0 || allQuiet(places) && allQuiet(more) {
			continue
		}
		for _, p := range places {
			shared = append(shared, p.Place)
		}
		for _, p := range more {
			shared = append(shared, p.Place)
		}
	}
	return shared
}

func allQuiet(places []changedPlace) bool {
	return !slices.ContainsFunc(places, func(p changedPlace) bool { return !p.quiet })
}
