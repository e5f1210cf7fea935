package rerun

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/partners/program"
)

// Range is of the orders that are gone through: those that were placed from From on and before To, as they state.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Always is the range of all orders.
func Always() Range {
	return Range{From: time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC), To: time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)}
}

// past is an order of the history: its facts, and what they fold into.
type past struct {
	no   int64
	keys event.KeyKind
	id   string
	// earlier says that the customer bought something before the range, as far as that was asked.
	earlier bool
	events  []*event.Event
	said    commission.Said
	folded  commission.Order
	// unfolded is why its facts cannot be folded: somebody has changed them.
	unfolded error
}

// batchRows is how many facts are read at a time.
const batchRows = 1000

// history is the orders of a merchant in a range, read in batches within a transaction.
type history struct {
	tx       pgx.Tx
	merchant program.MerchantID
	spoken   bool // anybody has said anything about an order
	last     *past
	ended    bool
}

// The orders of merchant $1 that were placed from $2 on and before $3: by their numbers, or by customer, those of one by their
// times and ids, as the customer fold has them.
const (
	byNumber = `
SELECT no, keys, order_id, false AS earlier FROM orders
 WHERE merchant_id = $1 AND occurred_at >= $2 AND occurred_at < $3 ORDER BY no`
	byCustomer = `
SELECT no, keys, order_id, false AS earlier FROM orders
 WHERE merchant_id = $1 AND occurred_at >= $2 AND occurred_at < $3 ORDER BY customer_id COLLATE "C", occurred_at, order_id COLLATE "C"`
	// asking says whether the customer bought something before $2, too.
	asking = `
SELECT no, keys, order_id, earlier
  FROM (SELECT no, keys, order_id, customer_id, occurred_at,
               bool_or(occurred_at < $2 AND goal = '' AND keys = 0 AND outcome <> 'voided') OVER (PARTITION BY customer_id COLLATE "C") AS earlier
          FROM orders WHERE merchant_id = $1 AND occurred_at < $3) o
 WHERE occurred_at >= $2 ORDER BY customer_id COLLATE "C", occurred_at, order_id COLLATE "C"`
)

// historySQL reads the facts of orders one of these ways, of each order the sale before its additions.
const historySQL = `
DECLARE history NO SCROLL CURSOR FOR
SELECT o.no, o.keys, o.order_id, o.earlier, e.kind, e.payload
  FROM (%s OFFSET 0) o
 CROSS JOIN LATERAL (SELECT kind, payload FROM order_event WHERE order_no = o.no ORDER BY kind, ref OFFSET 0) e`

//go:embed query/said.sql
var saidOf string

// hasSpoken tells whether anybody has said anything about orders whose keys are from $1 on and before $2, by the index on the keys.
const hasSpoken = `
SELECT EXISTS (SELECT FROM unnest($1::bytea[], $2::bytea[]) k (low, high) CROSS JOIN LATERAL (SELECT FROM order_said WHERE key >= k.low AND key < k.high LIMIT 1) s)`

// keysOf gives the ranges of keys of a merchant's orders, one for each kind.
func keysOf(merchant program.MerchantID) (from, to [][]byte) {
	for _, kind := range []event.KeyKind{event.Live, event.Trial, event.Counted} {
		low := kind.Key(int64(merchant), "")
		high := slices.Clone(low)
		high[len(high)-1]++
		from, to = append(from, low), append(to, high)
	}
	return from, to
}

// openHistory begins to read the orders of a merchant, chosen by one of byNumber, byCustomer and asking. One history at a time can
// be open in a transaction.
func openHistory(ctx context.Context, tx pgx.Tx, merchant program.MerchantID, in Range, chosen string) (*history, error) {
	h := &history{tx: tx, merchant: merchant}
	batch := &pgx.Batch{}
	batch.Queue(`SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('jit', 'off', true), set_config('cursor_tuple_fraction', '1', true)`)
	from, to := keysOf(merchant)
	batch.Queue(hasSpoken, from, to).QueryRow(func(row pgx.Row) error { return row.Scan(&h.spoken) })
	batch.Queue(fmt.Sprintf(historySQL, chosen), merchant, in.From, in.To)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("looking for the orders of merchant %d: %w", merchant, err)
	}
	return h, nil
}

// close ends the reading.
func (h *history) close(ctx context.Context) error {
	if _, err := h.tx.Exec(ctx, `CLOSE history`); err != nil {
		return fmt.Errorf("ending to read orders: %w", err)
	}
	return nil
}

// next gives the next orders, folded; none at the end.
func (h *history) next(ctx context.Context) ([]*past, error) {
	var orders []*past
	for len(orders) == 0 && !h.ended {
		var err error
		if orders, err = h.fetch(ctx); err != nil {
			return nil, fmt.Errorf("reading orders: %w", err)
		}
	}
	if h.spoken && len(orders) > 0 {
		if err := h.listen(ctx, orders); err != nil {
			return nil, fmt.Errorf("reading what was said about orders: %w", err)
		}
	}
	for _, o := range orders {
		o.fold()
	}
	return orders, nil
}

func (o *past) fold() {
	if o.unfolded != nil {
		return
	}
	if o.folded, o.unfolded = commission.Fold(o.events, o.said); o.unfolded == nil && o.folded.ID != o.id {
		o.unfolded = fmt.Errorf("they are of order %q", o.folded.ID)
	}
}

// fetch reads the next facts, and gives the orders whose facts are all there.
func (h *history) fetch(ctx context.Context) (orders []*past, err error) {
	rows, err := h.tx.Query(ctx, fmt.Sprintf(`FETCH %d FROM history`, batchRows))
	if err != nil {
		return nil, err
	}
	var o past
	var kind event.Kind
	var payload []byte
	read := 0
	_, err = pgx.ForEachRow(rows, []any{&o.no, &o.keys, &o.id, &o.earlier, &kind, &payload}, func() error {
		read++
		if h.last == nil || h.last.no != o.no {
			if h.last != nil {
				orders = append(orders, h.last)
			}
			h.last = &past{no: o.no, keys: o.keys, id: o.id, earlier: o.earlier}
		}
		e, err := event.Decode(payload)
		if h.last.events = append(h.last.events, e); err != nil {
			h.last.unfolded = fmt.Errorf("that of kind %d: %w", kind, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if h.ended = read < batchRows; h.ended && h.last != nil {
		orders, h.last = append(orders, h.last), nil
	}
	return orders, nil
}

// listen reads what people said about orders.
func (h *history) listen(ctx context.Context, orders []*past) error {
	numbers, keys := make([]int64, len(orders)), make([][]byte, len(orders))
	byNo := make(map[int64]*past, len(orders))
	for i, o := range orders {
		numbers[i], keys[i], byNo[o.no] = o.no, o.keys.Key(int64(h.merchant), o.id), o
	}
	rows, err := h.tx.Query(ctx, saidOf, numbers, keys)
	if err != nil {
		return err
	}
	var no int64
	var said inbox.Row
	var reported []byte
	_, err = pgx.ForEachRow(rows, []any{&no, &said.Kind, &said.Ref, &said.At, &said.Side, &said.Content, &said.Key, &reported}, func() error {
		if err := evidence.Hear(&byNo[no].said, &said, reported); err != nil {
			return fmt.Errorf("order %q: its %s %q: %w", byNo[no].id, said.Kind, said.Ref, err)
		}
		return nil
	})
	return err
}
