package main

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/test/engines"
)

func TestTheWatchReadsWhatWaitsAtEveryHop(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	log := (&config{LogLevel: "error", LogFormat: "json"}).logger(testLog{t})
	kafka := engines.Kafka(t).Open(t)
	if err := kafka.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	for topic, n := range map[string]int{event.Touches: 5, event.Orders: 3} {
		var records []stream.Record
		for i := range n {
			records = append(records, stream.Record{Value: []byte("v"), Spool: [16]byte{1}, Seq: uint64(i + 1)})
		}
		if err := kafka.Produce(t.Context(), topic, 1, records); err != nil {
			t.Fatal(err)
		}
	}
	set, err := postgres.OpenSQL(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	if _, err := set.ExecContext(t.Context(), `
INSERT INTO position (consumer, topic, partition, next_offset, owner, lease_until, halted) VALUES
  ('engine', 'orders', 0, 0, 'one', now() + interval '1 hour', ''), ('engine', 'orders', 1, 1, 'one', now() + interval '1 hour', 'a gap'),
  ('loader', 'touches', 1, 4, 'gone', now() - interval '1 second', '');
INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, error, state) VALUES
  ('engine', 'orders', 0, 1, '', '', 'e', 'open'), ('engine', 'orders', 0, 2, '', '', 'e', 'returning'),
  ('engine', 'orders', 0, 3, '', '', 'e', 'discarded'), ('loader', 'touches', 0, 1, '', '', 'e', 'open');
INSERT INTO ledger_outbox (lane, first_seq, last_seq, events, at) VALUES (0, 1, 2, '', now() - interval '2 minutes'), (0, 3, 9, '', now() - interval '1 minute');
INSERT INTO ledger_sent (lane, through_seq) VALUES (0, 2);
INSERT INTO clickhouse_batch (topic, partition, first_offset, last_offset, rows, before, state) VALUES ('touches', 1, 0, 3, 4, '{}', 'parked')`); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), engines.As(url, postgres.Operator), postgres.Operator, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	w := newWatch(db, kafka, 2, log, prometheus.NewRegistry())
	if err := w.once(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		gauge prometheus.Collector
		want  float64
	}{
		"orders the engine lacks":       {w.behind.WithLabelValues("engine", event.Orders), 2},
		"orders the loader lacks":       {w.behind.WithLabelValues("loader", event.Orders), 3},
		"touches the loader lacks":      {w.behind.WithLabelValues("loader", event.Touches), 1},
		"decisions the loader lacks":    {w.behind.WithLabelValues("loader", event.Decisions), 0},
		"partitions without an engine":  {w.unheld.WithLabelValues("engine", event.Orders), 0},
		"partitions without a loader":   {w.unheld.WithLabelValues("loader", event.Touches), 2},
		"letters of the engine":         {w.letters.WithLabelValues("engine"), 2},
		"letters of the loader":         {w.letters.WithLabelValues("loader"), 1},
		"ledger events unsent":          {w.unsent, 7},
		"batches that wait for someone": {w.parked, 1},
	} {
		if got := testutil.ToFloat64(row.gauge); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
	if age := testutil.ToFloat64(w.unsentAge); age < 60 || age >= 120 {
		t.Errorf("the oldest unsent ledger event is %v s old, want that of the row that was not sent, 60 s", age)
	}
	q := &quiet{db: db, kafka: kafka, partitions: 2}
	if _, err := q.inFlight(t.Context()); err == nil || !strings.Contains(err.Error(), "is halted for the engine: a gap") {
		t.Errorf("waiting for quiet: %v, want the partition that is halted", err)
	}
}
