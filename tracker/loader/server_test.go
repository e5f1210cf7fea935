package loader

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/migrations"
)

// killable is a river with a ClickHouse of its own, that a test may kill.
func killable(t *testing.T) (*river, *embedded.Supervisor) {
	t.Helper()
	s := embedded.New(embedded.Config{Dir: t.TempDir(), ClickHouse: true, Throwaway: true})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	addresses, err := s.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := migrations.ClickHouse(t.Context(), addresses.ClickHouseURL); err != nil {
		t.Fatal(err)
	}
	return newRiverTo(t, 1, addresses.ClickHouseURL), s
}

// kill ends the server as a crash does, and waits until it is there again.
func (r *river) kill(s *embedded.Supervisor) {
	r.t.Helper()
	starts := s.Status(embedded.ClickHouse).Starts
	if err := s.Kill(embedded.ClickHouse); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("ClickHouse is back", func() bool {
		status := s.Status(embedded.ClickHouse)
		return status.Starts > starts && status.Ready && r.ch.Ping(r.t.Context()) == nil
	})
}

func TestAServerKilledInTheMidstOfItLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	r, s := killable(t)
	r.run(r.loader(owner()))
	const wave = 3000
	for n := range 3 {
		r.send(event.Touches, 0, 1, several(click, n*wave+1, (n+1)*wave)...)
		r.eventually("rows arrive", func() bool { return r.number("SELECT count() FROM touch") > int64(n*wave) })
		r.kill(s)
	}
	r.loaded(event.Touches, 3*wave)
	r.once(event.Touches, 3*wave)
}

// TestKilledServerIsCompletedByTheRetry holds what the package comment says about a kill between the raw table and its view.
func TestKilledServerIsCompletedByTheRetry(t *testing.T) {
	t.Parallel()
	r, s := killable(t)
	// A view that takes its time makes the moment long enough to hit.
	r.exec("DROP VIEW touch_15m_view SYNC")
	slow := tables()[0].rollups[0].sumUp("touch", "sleep(2) = 0")
	r.exec("CREATE MATERIALIZED VIEW touch_15m_view TO touch_15m AS " + slow)
	r.send(event.Touches, 0, 1, several(click, 1, 50)...)
	ctx, h, release := r.hold(event.Touches, owner())
	l := r.lane(r.loader(owner()), event.Touches, h)
	b := r.cut(ctx, l, 50)
	if err := l.plan(ctx, b); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		sent <- l.insert(b).send(ctx, r.ch)
	}()
	r.eventually("the raw rows are there", func() bool { return r.number("SELECT count() FROM touch") == 50 })
	r.kill(s)
	if err := <-sent; err == nil {
		t.Error("the insert succeeded although its server was killed")
	}
	r.equal("rows of touch after the kill", r.number("SELECT count() FROM touch"), 50)
	r.equal("clicks of touch_15m after the kill", r.number("SELECT sum(clicks + marked) FROM touch_15m"), 0)
	// Whoever looks meanwhile does not take it for damage, and does not count the rows a second time by a repair.
	if found, err := Check(ctx, r.db, r.ch); err != nil || len(found) != 0 {
		t.Errorf("Check() = %v, %v of a batch that is under way; want no finding", found, err)
	}
	if err := RebuildSettled(ctx, r.db, r.ch); fault.Of(err).Code != "not_idle" {
		t.Errorf("RebuildSettled() = %v while a batch is under way; want not_idle", err)
	}
	if err := l.load(ctx, b, false); err != nil {
		t.Fatal(err)
	}
	release()
	r.once(event.Touches, 50)
}

func TestATokenThatIsKnownWithoutItsRowsIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	stop := r.run(r.loader(owner()))
	r.send(event.Touches, 0, 1, several(click, 1, 30)...)
	r.loaded(event.Touches, 30)
	stop()
	// Mutations remove rows and leave their tokens, as a kill between the two writes does.
	r.exec("ALTER TABLE touch DELETE WHERE true SETTINGS mutations_sync = 2")
	r.exec("ALTER TABLE touch_15m DELETE WHERE true SETTINGS mutations_sync = 2")
	for _, first := range r.firsts() {
		if err := Retry(t.Context(), r.db, event.Touches, 0, first); err != nil {
			t.Fatal(err)
		}
	}
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 30)
	r.once(event.Touches, 30)
	r.equal("batches of the first generation", r.books(`SELECT count(*) FROM clickhouse_batch WHERE generation = 1`), 0)
}

// firsts are the first offsets of the batches of touches.
func (r *river) firsts() []int64 {
	r.t.Helper()
	var firsts []int64
	err := r.db.QueryRow(r.t.Context(), `SELECT array_agg(first_offset ORDER BY first_offset) FROM clickhouse_batch WHERE topic = 'touches'`).Scan(&firsts)
	if err != nil {
		r.t.Fatal(err)
	}
	return firsts
}

func TestABatchThatIsNeitherThereNorMissingIsParked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, spoil, problem string
		forget               bool
	}{
		{name: "a row is missing", spoil: "ALTER TABLE touch DELETE WHERE _offset = 3 SETTINGS mutations_sync = 2", problem: "touch has 29 of the 30 rows of offsets 0 to 29"},
		{name: "a row is there twice", spoil: "INSERT INTO touch SELECT * FROM touch WHERE _offset = 3", problem: "touch has 31 of the 30 rows of offsets 0 to 29"},
		{name: "the token is too old", spoil: "SELECT 1", forget: true, problem: "touch has the 30 rows of offsets 0 to 29, but whether the rollup has them cannot be told from a token that old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRiver(t, 1)
			r.send(event.Touches, 0, 1, several(click, 1, 60)...)
			ctx, h, release := r.hold(event.Touches, owner())
			l := r.lane(r.loader(owner()), event.Touches, h)
			b := r.cut(ctx, l, 30)
			if err := errors.Join(l.plan(ctx, b), l.load(ctx, b, true)); err != nil {
				t.Fatal(err)
			}
			release()
			r.exec(c.spoil)
			if err := Retry(t.Context(), r.db, event.Touches, 0, 0); err != nil {
				t.Fatal(err)
			}
			if c.forget {
				if _, err := r.db.Exec(t.Context(), `UPDATE clickhouse_batch SET planned_at = now() - interval '3 days'`); err != nil {
					t.Fatal(err)
				}
			}
			r.run(r.loader(owner()))
			r.loaded(event.Touches, 30) // the records behind go on
			var state, problem string
			err := r.db.QueryRow(t.Context(), `SELECT state, problem FROM clickhouse_batch WHERE first_offset = 0`).Scan(&state, &problem)
			if err != nil || state != "parked" || problem != c.problem {
				t.Errorf("state %q, problem %q, %v; want parked, %q", state, problem, err, c.problem)
			}
			findings, err := Check(t.Context(), r.db, r.ch)
			if err != nil || len(findings) == 0 || !strings.Contains(findings[0].String(), c.problem) {
				t.Errorf("Check() = %v, %v; want the parked batch first", findings, err)
			}
		})
	}
}

func TestABatchWhoseRecordsAreGoneIsParked(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.send(event.Touches, 0, 1, several(click, 1, 10)...)
	// Planned, as by another process, of offsets that Kafka does not hold or that give other rows.
	_, err := r.db.Exec(t.Context(), `INSERT INTO clickhouse_batch (topic, partition, first_offset, last_offset, rows, before, state)
		VALUES ('touches', 0, 0, 4, 4, '{}', 'planned'), ('touches', 0, 5, 90, 86, '{"01000000000000000000000000000000": {"seq": 5}}', 'planned')`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, h, release := r.hold(event.Touches, owner())
	l := r.lane(r.loader(owner()), event.Touches, h)
	for _, c := range []struct{ first, last, rows int64 }{{0, 4, 4}, {200, 290, 86}} {
		p := plan{first: c.first, last: c.last, rows: int(c.rows), before: []byte("{}"), generation: 1}
		if err := l.resume(ctx, p); err != nil {
			t.Error(err)
		}
	}
	release()
	r.equal("parked", r.books(`SELECT count(*) FROM clickhouse_batch WHERE state = 'parked' AND problem = 'offsets 0 to 4 give 5 rows now, and were planned as 4'`), 1)
	r.equal("rows", r.number("SELECT count() FROM touch"), 0)
}

func TestAServerThatDoesNotDropWhatItKnowsIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, spoil, problem string }{
		{"raw table without a memory of tokens", "ALTER TABLE touch MODIFY SETTING non_replicated_deduplication_window = 0", "copy of the table touch: the table has 16388 rows in 2 parts, not 8194 in one"},
		{"rollup without one", "ALTER TABLE ledger_15m MODIFY SETTING non_replicated_deduplication_window = 0", "the rollup behind a materialized view has 16388 of 8194"},
		{"a table is missing", "DROP TABLE order_event", "the table order_event cannot be looked at"},
		{"a column is missing", "ALTER TABLE touch DROP COLUMN bot", "bot"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRiver(t, 1)
			r.exec(c.spoil)
			err := New(Config{DB: r.db, ClickHouse: r.ch, Kafka: r.kafka, Partitions: 1, Owner: owner()}, slog.New(slog.DiscardHandler), nil).Run(t.Context())
			refused, ok := errors.AsType[*SelfTestError](err)
			if !ok || !strings.Contains(err.Error(), c.problem) {
				t.Fatalf("Run() = %v, want a *SelfTestError that says %q", err, c.problem)
			}
			version, err := r.ch.ServerVersion()
			if err != nil || refused.Server != version.Version.String() {
				t.Errorf("refused server %q, want %v, %v", refused.Server, version, err)
			}
			r.equal("canaries left behind", r.number("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%canary%'"), 0)
		})
	}
}

// A server that has no room or too much to do at the start is waited for, and one with another schema is not.
func TestAServerInTroubleIsNoWrongOne(t *testing.T) {
	t.Parallel()
	for code, waited := range map[int32]bool{243: true, 241: true, 202: true, 252: true, 60: false, 115: false, 516: false} {
		if passing(code) != waited {
			t.Errorf("code %d: waited for is %t", code, !waited)
		}
	}
	if _, wrong := errors.AsType[*SelfTestError](refused("26.1", "a test", &wrongAnswerError{"it doubles"})); !wrong {
		t.Error("a wrong answer is waited for")
	}
}

func TestAPinnedSettingIsRefused(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	settings := r.loader(owner()).insertSettings()
	settings["max_insert_threads"] = "no such value"
	_, _, err := selfTest(t.Context(), r.ch, tables(), settings)
	if _, ok := errors.AsType[*SelfTestError](err); !ok {
		t.Errorf("selfTest() = %v, want a *SelfTestError", err)
	}
}

func TestAServerThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	r, s := killable(t)
	starts := s.Status(embedded.ClickHouse).Starts
	if err := s.Kill(embedded.ClickHouse); err != nil {
		t.Fatal(err)
	}
	r.run(r.loader(owner()))
	r.send(event.Orders, 0, 1, several(sale, 1, 20)...)
	r.loaded(event.Orders, 20)
	r.once(event.Orders, 20)
	if s.Status(embedded.ClickHouse).Starts == starts {
		t.Error("ClickHouse was not started again")
	}
}

func TestStoppingLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	l := r.loader(owner())
	stop := r.run(l)
	r.send(event.Touches, 0, 1, several(click, 1, 250)...)
	r.eventually("rows arrive", func() bool { return r.number("SELECT count() FROM touch") > 0 })
	stop()
	r.equal("leases held", r.books(`SELECT count(*) FROM position WHERE owner <> ''`), 0)
	if !l.budget.TryAcquire(l.Budget) {
		t.Error("memory is reserved for batches that are no more")
	}
	if n := len(l.inserting); n != 0 {
		t.Errorf("%d inserts count as under way", n)
	}
}

func TestAnInsertThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.send(event.Touches, 0, 1, several(click, 1, chunk+10)...)
	ctx, h, _ := r.hold(event.Touches, owner())
	l := r.lane(r.loader(owner()), event.Touches, h)
	b := r.cut(ctx, l, chunk+10)
	if err := l.plan(ctx, b); err != nil {
		t.Fatal(err)
	}
	in := l.insert(b)
	settings := maps.Clone(in.settings)
	settings["insert_deduplication_token"] = in.token
	half, err := r.ch.PrepareBatch(clickhouse.WithSettings(ctx, settings), l.table.insertInto("touch")) //nolint:clickhouselint // ended below
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range b.rows.columns(nil, 0, chunk) {
		if err := half.Column(i).Append(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(half.Flush(), half.Abort()); err != nil {
		t.Fatal(err)
	}
	if err := l.load(ctx, b, false); err != nil {
		t.Fatal(err)
	}
	r.once(event.Touches, chunk+10)
	r.equal("batches of the first generation", r.books(`SELECT count(*) FROM clickhouse_batch WHERE generation = 1 AND state = 'done'`), 1)
}
