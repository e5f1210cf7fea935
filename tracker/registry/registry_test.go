package registry

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/test/engines"
	"tributary/tracker/spool"
)

func TestMain(m *testing.M) { engines.Main(m) }

const partitions = 2

// tracker is a spool with a registry.
type tracker struct {
	*Registry

	spool *spool.Spool
	sent  []uint64
}

func newTracker(t *testing.T, db *pgxpool.Pool, dir string) *tracker {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: dir, Lanes: 2 * partitions})
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-ended); must(t, s.Close()) })
	tr := &tracker{spool: s, sent: make([]uint64, 2*partitions)}
	tr.Registry = New(Config{
		DB: db, Spool: s, Sent: func() []uint64 { return tr.sent }, Partitions: partitions, Owner: "edge-1/7/x",
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	return tr
}

func (tr *tracker) append(t *testing.T, lane, records int) {
	t.Helper()
	for range records {
		ticket, err := tr.spool.Append(lane, spool.Live, []byte("record"))
		must(t, err)
		must(t, ticket.Wait(t.Context()))
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// have makes a consumer have a lane's records up to a sequence.
func have(t *testing.T, db *pgxpool.Pool, consumer, topic string, partition int, id spool.ID, seq int) {
	t.Helper()
	_, err := db.Exec(t.Context(), `INSERT INTO high_water (consumer, topic, partition, spool, seq) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (consumer, topic, partition, spool) DO UPDATE SET seq = excluded.seq`, consumer, topic, partition, id[:], seq)
	must(t, err)
}

func TestRecordsThatAreLostWithADiskAreKnown(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	tr := newTracker(t, db, t.TempDir())
	tr.append(t, 1, 3) // touches of partition 1
	tr.append(t, 2, 5) // orders of partition 0
	tr.sent[1], tr.sent[2] = 2, 5
	must(t, tr.runOnce(ctx))
	outstanding := func(silent time.Duration) string {
		lanes, err := Outstanding(ctx, db, partitions, silent)
		must(t, err)
		var all []string
		for _, l := range lanes {
			all = append(all, strings.Join(strings.Fields(l.String())[3:8], " "))
		}
		return strings.Join(all, "; ")
	}
	if got := outstanding(StrandedAfter); got != "" {
		t.Errorf("of a tracker that is there: %s", got)
	}
	_, err := db.Exec(ctx, `UPDATE spool_progress SET seen = now() - interval '11 minutes'`)
	must(t, err)
	id := tr.spool.ID()
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"nobody has any", func() {}, "touches/1: records 1 to 3,; orders/0: records 1 to 5,"},
		{"the loader has the touches it could get", func() { have(t, db, "loader", event.Touches, 1, id, 2) }, "touches/1: records 3 to 3,; orders/0: records 1 to 5,"},
		{"the loader has the orders, the engine none", func() { have(t, db, "loader", event.Orders, 0, id, 5) }, "touches/1: records 3 to 3,; orders/0: records 1 to 5,"},
		{"the engine has some", func() { have(t, db, "engine", event.Orders, 0, id, 4) }, "touches/1: records 3 to 3,; orders/0: records 5 to 5,"},
		{"the engine has all", func() { have(t, db, "engine", event.Orders, 0, id, 5) }, "touches/1: records 3 to 3,"},
		{"another spool's records do not count", func() { have(t, db, "loader", event.Touches, 1, spool.ID{9}, 99) }, "touches/1: records 3 to 3,"},
	} {
		step.do()
		if got := outstanding(StrandedAfter); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	other := newTracker(t, db, t.TempDir())
	must(t, other.runOnce(ctx))
	if got := testutil.ToFloat64(other.silent); got != 1 {
		t.Errorf("another tracker counts %v silent records, want 1", got)
	}
	if err := Forget(ctx, db, other.spool.ID().String()); fault.Of(err).Kind != fault.NotFound {
		t.Errorf("a tracker that is there was forgotten: %v", err)
	}
	must(t, Forget(ctx, db, id.String()))
	if got := outstanding(0); got != "" {
		t.Errorf("after it was forgotten: %s", got)
	}
	if err := Forget(ctx, db, "x"); fault.Of(err).Kind != fault.Invalid {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestASpoolThatIsOlderThanItWasEndsTheTracker(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	tr := newTracker(t, db, t.TempDir())
	tr.append(t, 0, 2)
	must(t, tr.runOnce(t.Context()))
	must(t, tr.Check(t.Context()))
	// The same spool once held more: it is what a disk restored from an hour ago looks like.
	id := tr.spool.ID()
	_, err := db.Exec(t.Context(), `UPDATE spool_progress SET last = 3 WHERE spool = $1 AND lane = 0`, id[:])
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := tr.Check(ctx); !errors.Is(err, ErrBehind) {
		t.Errorf("Check ended with %v", err)
	}
	if err := tr.Run(ctx); !errors.Is(err, ErrBehind) {
		t.Errorf("Run ended with %v", err)
	}
	tr.append(t, 0, 1)
	must(t, tr.runOnce(t.Context()))
}

func TestATrackerWritesInItsOwnRoleAndForgetsNothing(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), engines.As(engines.PostgresURL(t), postgres.Tracker), postgres.Tracker, 2)
	must(t, err)
	defer db.Close()
	tr := newTracker(t, db, t.TempDir())
	must(t, tr.runOnce(t.Context()))
	if err := Forget(t.Context(), db, tr.spool.ID().String()); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a tracker may make spools forgotten: %v", err)
	}
}

// Merchants whose terms go by the country are told whether clicks have one.
func TestWhetherCountriesAreKnown(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	db, err := postgres.Open(t.Context(), engines.As(url, postgres.Tracker), postgres.Tracker, 2)
	must(t, err)
	defer db.Close()
	pages, err := postgres.Open(t.Context(), engines.As(url, postgres.Dashboard), postgres.Dashboard, 1)
	must(t, err)
	defer pages.Close()
	owner, err := pgxpool.New(t.Context(), url)
	must(t, err)
	defer owner.Close()
	with, without := newTracker(t, db, t.TempDir()), newTracker(t, db, t.TempDir())
	built := time.Time{}
	with.cfg.Countries = func() time.Time { return built }
	must(t, with.runOnce(t.Context()))
	known := func(step string, want bool) {
		t.Helper()
		var got bool
		must(t, pages.QueryRow(t.Context(), `SELECT known FROM country_known`).Scan(&got))
		if got != want {
			t.Errorf("%s: %t", step, got)
		}
	}
	known("no tracker has a database", false)
	built = time.Unix(1_700_000_000, 0)
	must(t, with.runOnce(t.Context()))
	must(t, without.runOnce(t.Context()))
	known("one of two has", true)
	_, err = owner.Exec(t.Context(), `UPDATE spool_progress SET seen = now() - interval '11 minutes' WHERE countries IS NOT NULL`)
	must(t, err)
	known("that one is gone", false)
}
