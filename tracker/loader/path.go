package loader

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
)

// The resolver answers what an engine wants to know of a click: which clicks of its visitor came before it. The click's row in
// ClickHouse names them. It answers as soon as the row is there, or that nobody knows once all is loaded that any tracker had
// stored when the engine asked: the row was lost, and the click stands alone.

const (
	// resolveSlice is how many clicks are looked up at a time.
	resolveSlice = 1000
	// settle is how long a click that is not found is asked for again before it is asked whether all is loaded, and by how much
	// that is taken to be earlier: trackers tell how far they are every few seconds.
	settle = 5 * time.Second
	// silent is how long a tracker says nothing until nobody waits for what it has not sent to Kafka.
	silent = 5 * time.Minute
)

// wanted is a click of which an order waits to be told what came before it.
type wanted struct {
	no                         int64
	merchant, program, partner int64
	keys                       event.KeyKind
	order, click               string
	at                         time.Time
	written                    time.Time
	old                        bool // it has been asked for longer than settle
}

const listWanted = `
SELECT no, merchant_id, program_id, partner_id, keys, order_id, click_id, clicked_at, written, written < now() - $3 * interval '1 second'
  FROM path_wanted WHERE lane = $1 ORDER BY no LIMIT $2`

// resolve answers what can be answered, and tells whether there is more.
func (p *producer) resolve(ctx context.Context) (more bool, err error) {
	rows, err := p.db.Query(ctx, listWanted, p.held.Partition, resolveSlice, settle.Seconds())
	if err != nil {
		return false, fmt.Errorf("listing the paths that are wanted: %w", err)
	}
	asked, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w wanted, err error) {
		err = row.Scan(&w.no, &w.merchant, &w.program, &w.partner, &w.keys, &w.order, &w.click, &w.at, &w.written, &w.old)
		return w, err
	})
	if err != nil {
		return false, fmt.Errorf("listing the paths that are wanted: %w", err)
	}
	if len(asked) == 0 {
		return false, nil
	}
	loaded, err := p.loaded(ctx, asked) // before the look, or a row could come between the two
	if err != nil {
		return false, err
	}
	found, err := p.look(ctx, asked)
	if err != nil {
		return false, err
	}
	answers, answered := make([]saying, 0, len(asked)), make([]int64, 0, len(asked))
	incomplete := 0
	for i := range asked {
		w := &asked[i]
		path, known := found[w.click]
		if !known {
			if !loaded[p.touchLane(w)].After(w.written) {
				continue
			}
			incomplete++
		}
		a, err := w.answer(path, known)
		if err != nil {
			return false, err
		}
		answers, answered = append(answers, a), append(answered, w.no)
	}
	if len(answers) == 0 {
		return false, nil
	}
	err = p.say(ctx, answers, func(batch *pgx.Batch) { batch.Queue(`DELETE FROM path_wanted WHERE no = ANY ($1)`, answered) })
	if err != nil {
		return false, err
	}
	p.metrics.said.WithLabelValues("path").Add(float64(len(answers) - incomplete))
	p.metrics.said.WithLabelValues("incomplete_path").Add(float64(incomplete))
	return len(asked) == resolveSlice, nil
}

// touchLane is the lane of touches in which the click is.
func (p *producer) touchLane(w *wanted) int { return event.Lane([]byte(w.click), p.Partitions) }

// answer is the event that says which clicks came before, or that it is not known.
func (w *wanted) answer(before []string, known bool) (saying, error) {
	now := time.Now()
	e, err := event.New(now, now)
	if err != nil {
		return saying{}, err
	}
	said := &event.Path{MerchantId: w.merchant, OrderId: w.order, ClickId: w.click, Incomplete: !known, Test: w.keys == event.Trial}
	for _, id := range before[:min(len(before), event.MaxPath)] {
		said.Touches = append(said.Touches, &event.Touch{ClickId: id, Kind: uint32(event.PathClick)})
	}
	e.Body = &event.Event_Path{Path: said}
	return saying{e.Fact().Key(), e}, nil
}

// look reads the rows of the clicks that are there, and gives the ids before each.
func (p *producer) look(ctx context.Context, asked []wanted) (map[string][]string, error) {
	var merchants, programs, partners []int64
	var days, clicks []string
	for i := range asked {
		w := &asked[i]
		merchants, programs, partners = append(merchants, w.merchant), append(programs, w.program), append(partners, w.partner)
		days, clicks = append(days, w.at.UTC().Format(time.DateOnly)), append(clicks, w.click)
	}
	slices.Sort(days)
	rows, err := p.ClickHouse.Query(ctx, `SELECT click_id, path FROM touch
		WHERE kind = 'click' AND merchant_id IN (?) AND program_id IN (?) AND partner_id IN (?) AND toDate(occurred_at) IN (?) AND click_id IN (?)`,
		distinct(merchants), distinct(programs), distinct(partners), slices.Compact(days), clicks)
	if err != nil {
		return nil, fmt.Errorf("looking for the rows of %d clicks: %w", len(asked), err)
	}
	found := make(map[string][]string, len(asked))
	var id string
	var path []string
	err = clickhouse.ForEachRow(rows, []any{&id, &path}, func() { found[id] = slices.Clone(path) })
	if err != nil {
		return nil, fmt.Errorf("looking for the rows of %d clicks: %w", len(asked), err)
	}
	return found, nil
}

func distinct(numbers []int64) []int64 {
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// loaded tells for each lane of touches with clicks that have been asked for long up to when all is loaded.
func (p *producer) loaded(ctx context.Context, asked []wanted) (map[int]time.Time, error) {
	upTo := make(map[int]time.Time)
	for i := range asked {
		lane := p.touchLane(&asked[i])
		if _, looked := upTo[lane]; looked || !asked[i].old {
			continue
		}
		r, err := p.loadedUpTo(ctx, lane, silent)
		if err != nil {
			return nil, err
		}
		upTo[lane] = r.until
	}
	return upTo, nil
}
