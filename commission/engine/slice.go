package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/internal/event"
	"tributary/internal/fault/inject"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// txSummary is what one transaction has done.
type txSummary struct {
	facts, duplicates, dead, forged, orders, events int
	// conflicts are reports without effect, late the orders that were reported late, by merchant.
	conflicts, late map[int64]int
	// received is when the first of the new facts was, in microseconds; 0 when none is new.
	received int64
}

// apply takes in records in one transaction, and tells how many of them, from the first on, are in. Records that are in
// already are passed over: after a commit whose answer was lost, running the same again is the way to find out.
func (l *lane) apply(ctx context.Context, facts []fact) (done int, err error) {
	began := time.Now()
	var t txSummary
	var next int64
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			p, err := l.held.Lock(ctx, tx)
			if err != nil {
				return err
			}
			t = txSummary{}
			in, err := admit(p, facts, &t)
			if err != nil {
				return err
			}
			done, next = in.n, p.Next
			orders, err := l.fold(ctx, tx, in.accepted, &t)
			if err != nil {
				return err
			}
			if err := l.post(ctx, tx, p, orders, in, &t); err != nil {
				return err
			}
			p.Attempts = 0
			if err := l.held.Save(ctx, tx, p); err != nil {
				return err
			}
			if err := l.queueTaken(ctx, tx, in.again, &t); err != nil {
				return err
			}
			inject.Reach(inject.EngineBeforeCommit)
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	inject.Reach(inject.EngineAfterCommit)
	l.next.Store(next)
	l.metrics.slice(&t, time.Since(began))
	l.announce(&t)
	return done, nil
}

// errTaken is why a report becomes a dead letter whose sequence another one had.
var errTaken = errors.New("its sequence was taken by another report: two processes send the same spool, as after its data folder was copied")

// queueTaken makes dead letters of the records among duplicates that are none: their sequence was seen, and what they say is
// nowhere in the books.
func (l *lane) queueTaken(ctx context.Context, tx pgx.Tx, again []stream.Record, t *txSummary) error {
	if len(again) == 0 {
		return nil
	}
	vanished, err := CompareKept(ctx, tx, again, l.cfg.Partitions)
	if err != nil || len(vanished) == 0 {
		return err
	}
	batch := &pgx.Batch{}
	for _, v := range vanished {
		l.queueDeadLetter(batch, &fact{record: again[v.at], unreadable: errTaken})
	}
	t.duplicates, t.dead = t.duplicates-len(vanished), t.dead+len(vanished)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("setting reports aside whose sequence was taken: %w", err)
	}
	return nil
}

// announce wakes the sender, and logs what requires an operator.
func (l *lane) announce(t *txSummary) {
	if t.dead > 0 {
		l.log.Error("records were moved to the dead letters; see tributary deadletters", "records", t.dead)
	}
	if t.forged > 0 {
		l.log.Error("records that are not this network's were found in Kafka; see tributary forged list", "records", t.forged)
	}
	if t.events == 0 {
		return
	}
	select {
	case l.unsent <- struct{}{}:
	default:
	}
}

// admitted is what the sequence rule leaves of a slice.
type admitted struct {
	// accepted are to be folded, dead to become dead letters.
	accepted, dead []*fact
	// forged are to be stored as such.
	forged []stream.Record
	// again are those whose sequence was seen before.
	again []stream.Record
	// n is how many records were gone through: up to a gap, which is an error only where it comes first.
	n int
}

// admit applies the sequence rule.
func admit(p *position.Position, facts []fact, t *txSummary) (admitted, error) {
	if first := facts[0].record.Offset; first > p.Next {
		return admitted{}, fmt.Errorf("%w: offset %d, not %d", errBehind, p.Next, first)
	}
	a := admitted{accepted: make([]*fact, 0, len(facts)), n: len(facts)}
	for i := range facts {
		f := &facts[i]
		verdict, err := p.Admit(f.record)
		switch {
		case err != nil && i > 0:
			a.n = i
			return a, nil
		case err != nil:
			return admitted{}, err
		case verdict == position.Forged:
			a.forged = append(a.forged, f.record)
		case verdict != position.Next:
			t.duplicates++
			if verdict == position.Duplicate && f.unreadable == nil {
				a.again = append(a.again, f.record)
			}
		case f.unreadable != nil:
			a.dead = append(a.dead, f)
		default:
			a.accepted = append(a.accepted, f)
			if at := f.event.GetReceivedAt(); t.received == 0 || at < t.received {
				t.received = at
			}
		}
	}
	t.forged = len(a.forged)
	return a, nil
}

// fold gathers the orders that the facts speak of, adds the facts to them, and decides those that have changed. It gives
// all of them, the first mentioned first.
func (l *lane) fold(ctx context.Context, tx pgx.Tx, facts []*fact, t *txSummary) ([]*order, error) {
	keys := make([]orderKey, 0, len(facts))
	index := make(map[orderKey]int, len(facts))
	for _, f := range facts {
		if _, known := index[f.order]; !known {
			index[f.order] = len(keys)
			keys = append(keys, f.order)
		}
	}
	orders, err := l.gather(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	for _, f := range facts {
		orders[index[f.order]].take(f)
	}
	changed := make([]*order, 0, len(orders))
	for _, o := range orders {
		t.facts += len(o.fresh)
		t.duplicates += o.duplicates
		count(&t.conflicts, o.key.merchant, len(o.disputed)+len(o.refused))
		if len(o.fresh) > 0 {
			changed = append(changed, o)
		}
	}
	if err := l.decide(ctx, tx, changed); err != nil {
		return nil, err
	}
	for _, o := range changed {
		if o.decided.Order.Late && !o.recorded.Order.Late {
			count(&t.late, o.key.merchant, 1)
		}
	}
	return orders, nil
}

// count adds to a merchant's count.
func count(by *map[int64]int, merchant int64, n int) {
	if n == 0 {
		return
	}
	if *by == nil {
		*by = make(map[int64]int)
	}
	(*by)[merchant] += n
}

// decide decides orders, whose evidence it looks up all at once.
func (e *Engine) decide(ctx context.Context, tx pgx.Tx, orders []*order) error {
	asked := make([]evidence.Order, len(orders))
	for i, o := range orders {
		if err := o.read(e.cfg.Forms); err != nil {
			return blamed(err)
		}
		asked[i] = evidence.Order{Folded: &o.folded, Recorded: &o.recorded}
	}
	network := evidence.Network{Programs: e.programs, Rates: e.rates, VerifyClick: e.cfg.VerifyClick}
	resolved, err := network.Resolve(ctx, tx, asked)
	if err != nil {
		return err
	}
	for i, o := range orders {
		o.evidence = resolved[i]
	}
	if err := e.uses(ctx, tx, orders); err != nil {
		return err
	}
	if err := e.customers(ctx, tx, network, orders); err != nil {
		return err
	}
	now := e.cfg.Clock()
	for _, o := range orders {
		if err := o.decide(now, e.cfg.Decide); err != nil {
			return blamed(err)
		}
	}
	return nil
}

// blamed is an error that the records cause, in what depends on them and their terms alone, unless a later version could go on
// where this one cannot.
func blamed(err error) error {
	if newer := (*commission.NewerError)(nil); errors.As(err, &newer) {
		return err
	}
	return &recordError{cause: err, certain: true}
}

// post writes everything that follows, apart from the position itself, whose count of outgoing events it moves on.
func (l *lane) post(ctx context.Context, tx pgx.Tx, p *position.Position, orders []*order, in admitted, t *txSummary) error {
	decided := make([]*order, 0, len(orders))
	batch := &pgx.Batch{}
	var disputes conflictColumns
	for _, o := range orders {
		if o.decided.Outcome != "" {
			decided = append(decided, o)
		}
		for _, f := range o.disputed {
			disputes.add(o, f, otherContent)
		}
		for _, f := range o.refused {
			disputes.add(o, f, tooManyRefunds)
		}
	}
	t.orders, t.dead = len(decided), len(in.dead)
	if len(decided) > 0 {
		if err := l.write(ctx, tx, l.held.Partition, decided, &l.buf); err != nil {
			return err
		}
		if err := l.holdLate(ctx, tx, decided); err != nil {
			return err
		}
		n, err := l.pack(batch, p, decided, time.Now())
		if err != nil {
			return err
		}
		t.events = n
	}
	disputes.queue(batch)
	for _, f := range in.dead {
		l.queueDeadLetter(batch, f)
	}
	l.held.QueueForged(batch, in.forged)
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("writing ledger events, conflicts, dead letters and forged records: %w", err)
	}
	return nil
}

// conflictColumns are the facts without effect, column by column.
type conflictColumns struct {
	order, merchant, apiKey []int64
	kind                    []event.Kind
	ref, reason, prefix     []string
	hash, id, payload       [][]byte
	receivedAt              []time.Time
	imported                []bool
}

// Why a fact is without effect, as the table order_conflict knows it.
const (
	otherContent   = "other_content"
	tooManyRefunds = "too_many_refunds"
)

func (c *conflictColumns) add(o *order, f *fact, reason string) {
	c.reason = append(c.reason, reason)
	c.order = append(c.order, o.no)
	c.merchant = append(c.merchant, o.key.merchant)
	c.kind = append(c.kind, f.key.kind)
	c.ref = append(c.ref, f.key.ref)
	c.hash = append(c.hash, f.hash)
	c.id = append(c.id, f.event.GetId())
	c.receivedAt = append(c.receivedAt, event.Time(f.event.GetReceivedAt()))
	c.payload = append(c.payload, f.record.Value)
	c.apiKey = append(c.apiKey, f.event.GetApiKeyId())
	c.prefix = append(c.prefix, f.event.GetIpPrefix())
	c.imported = append(c.imported, f.event.GetImported())
}

func (c *conflictColumns) queue(batch *pgx.Batch) {
	if len(c.order) > 0 {
		batch.Queue(insertConflicts, c.order, c.merchant, c.kind, c.ref, c.hash, c.id, c.receivedAt, c.payload, c.reason,
			c.apiKey, c.prefix, c.imported)
	}
}
