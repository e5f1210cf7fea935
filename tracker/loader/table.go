package loader

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"tributary/internal/event"
	"tributary/internal/stream"
)

// rows are the rows of a batch, column by column: filled from events, and handed to the driver as slices.
type rows interface {
	// add appends the event of a record. An error says why the table has no place for it, and leaves the rows as they were.
	add(e *event.Event, r *stream.Record) error
	// columns appends the rows from a up to z, one slice a column, in the order of the table's columns.
	columns(dst []any, a, z int) []any
	// reset forgets all rows, and what memory of records they hold on to, but keeps the room.
	reset()
}

// table is where a topic's records go.
type table struct {
	topic string
	name  string
	// body names the columns that follow those of head, in the order in which rows gives them.
	body    string
	make    func() rows
	rollups []*rollup

	free chan rows // to be filled again
}

// rollup is the sum of a table by some of its columns that a materialized view keeps.
type rollup struct {
	name string
	// keys are the columns that both tables have.
	keys []string
	// at is the time of a raw row by whose quarter hour it is summed, too: days of any zone are made of quarter hours. Empty where
	// the rollup has no quarters.
	at   string
	sums []sum
}

// sum is a column of a rollup, and the same from the rows of the raw table, which is called r.
type sum struct{ column, of string }

// keptRows is how many sets of columns a table keeps for later batches.
const keptRows = 3

// tables lists all of them.
func tables() []*table {
	return []*table{
		{
			topic: event.Touches, name: "touch", body: touchColumns,
			make: func() rows { return &touches{} }, free: make(chan rows, keptRows),
			rollups: []*rollup{{
				name: "touch_15m", keys: []string{"merchant_id", "program_id", "partner_id", "link_id"}, at: "occurred_at",
				sums: []sum{
					{"clicks", "countIf(r.kind = 'click' AND r.marks = 0)"},
					{"marked", "countIf(r.marks != 0)"},
					{"impressions", "countIf(r.kind = 'impression' AND r.marks = 0)"},
				},
			}},
		},
		{
			topic: event.Orders, name: "order_event", body: orderColumns,
			make: func() rows { return &orders{} }, free: make(chan rows, keptRows),
		},
		{
			topic: event.Decisions, name: "ledger", body: ledgerColumns,
			make: func() rows { return &entries{} }, free: make(chan rows, keptRows),
			rollups: []*rollup{{
				name: "ledger_15m", keys: []string{"merchant_id", "program_id", "partner_id", "link_id", "currency", "further", "role", "unit"}, at: "ordered_at",
				sums: []sum{
					{"orders", "sum(toInt64(r.orders))"},
					{"revenue", "sum(r.revenue)"},
					{"refunded", "sum(r.refunded)"},
					{"gross", "sum(r.gross)"},
					{"net", "sum(r.net)"},
					{"fee", "sum(r.fee)"},
					{"pending", "sum(r.pending)"},
					{"payable", "sum(r.payable)"},
				},
			}, {
				name: "customer_order",
				keys: []string{
					"merchant_id", "customer_id", "order_no", "order_id", "ordered_at", "currency", "further", "role", "unit", "program_id", "partner_id", "link_id",
				},
				sums: []sum{
					{"orders", "sum(toInt64(r.orders))"},
					{"revenue", "sum(r.revenue)"},
					{"refunded", "sum(r.refunded)"},
					{"net", "sum(r.net)"},
					{"fee", "sum(r.fee)"},
				},
			}},
		},
	}
}

// insertInto is the start of an insert into the table, or into another of its form.
func (t *table) insertInto(name string) string {
	return "INSERT INTO " + name + " (" + headColumns + ", " + t.body + ")"
}

// take gives an empty set of columns.
func (t *table) take() rows {
	select {
	case r := <-t.free:
		return r
	default:
		return t.make()
	}
}

// give takes columns back whose rows are stored.
func (t *table) give(r rows) {
	r.reset()
	select {
	case t.free <- r:
	default: // enough of them are kept
	}
}

// sumUp is a query for the rollup's rows from those of the raw table called from of which where is true.
func (r *rollup) sumUp(from, where string) string {
	columns := slices.Clone(r.keys)
	if r.at != "" {
		columns = append(columns, "toStartOfFifteenMinutes(r."+r.at+") AS quarter")
	}
	for _, s := range r.sums {
		columns = append(columns, s.of+" AS "+s.column)
	}
	return fmt.Sprintf("SELECT %s FROM %s AS r WHERE %s GROUP BY %s", strings.Join(columns, ", "), from, where, strings.Join(r.columns(), ", "))
}

// columns are the rollup's own by which it is summed.
func (r *rollup) columns() []string {
	if r.at == "" {
		return r.keys
	}
	return append(slices.Clone(r.keys), "quarter")
}

// headColumns are the columns that every table has.
const headColumns = "event_id, received_at, occurred_at, _partition, _offset, _spool, _seq"

// head holds them.
type head struct {
	ids                []uuid.UUID
	received, occurred []time.Time
	partitions         []uint16
	offsets            []uint64
	spools             []uuid.UUID
	seqs               []uint64
}

func (h *head) add(e *event.Event, r *stream.Record) {
	h.ids = append(h.ids, uuid.UUID(e.GetId()))
	h.received = append(h.received, event.Time(e.GetReceivedAt()))
	h.occurred = append(h.occurred, event.Time(e.GetOccurredAt()))
	h.partitions = append(h.partitions, uint16(r.Partition))
	h.offsets = append(h.offsets, uint64(r.Offset))
	h.spools = append(h.spools, uuid.UUID(r.Spool))
	h.seqs = append(h.seqs, r.Seq)
}

func (h *head) columns(dst []any, a, z int) []any {
	return append(dst, h.ids[a:z], h.received[a:z], h.occurred[a:z], h.partitions[a:z], h.offsets[a:z], h.spools[a:z], h.seqs[a:z])
}

func (h *head) reset() {
	h.ids, h.received, h.occurred = h.ids[:0], h.received[:0], h.occurred[:0]
	h.partitions, h.offsets, h.spools, h.seqs = h.partitions[:0], h.offsets[:0], h.spools[:0], h.seqs[:0]
}

// lastTime is the end of what ClickHouse's DateTime can hold, by which the rollups count: 2106-02-07 06:28:15 UTC.
const lastTime = (1<<32 - 1) * int64(time.Second/time.Microsecond)

// checkTimes refuses times, in microseconds, that the tables cannot hold.
func checkTimes(times ...int64) error {
	for _, t := range times {
		if t < 0 || t > lastTime {
			return fmt.Errorf("the time %d lies outside the years 1970 to 2106", t)
		}
	}
	return nil
}

// forget empties columns of text, and lets go of the records that the texts are parts of.
func forget(columns ...*[]string) {
	for _, c := range columns {
		clear(*c)
		*c = (*c)[:0]
	}
}

// misplaced says that an event is of a kind that its topic does not carry.
func misplaced(e *event.Event, topic string) error {
	return fmt.Errorf("the topic %s does not carry %T", topic, e.GetBody())
}
