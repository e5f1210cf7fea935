package loader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/position"
	"tributary/internal/postgres"
)

// owner's rights, for what only a backup does.
func (r *river) admin() *pgx.Conn {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.pgURL)
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// keeps gives a function that puts what PostgreSQL knows of the loading back to what it is now, as a restore does.
func (r *river) keeps(conn *pgx.Conn) (restore func()) {
	r.t.Helper()
	run := func(statements ...string) {
		r.t.Helper()
		for _, s := range statements {
			if _, err := conn.Exec(r.t.Context(), s); err != nil {
				r.t.Fatalf("%s: %v", s, err)
			}
		}
	}
	tables := []string{"position", "high_water", "clickhouse_batch"}
	for _, t := range tables {
		run("CREATE TABLE kept_" + t + " AS TABLE " + t)
	}
	return func() {
		r.t.Helper()
		for _, t := range tables {
			run("DELETE FROM "+t, "INSERT INTO "+t+" TABLE kept_"+t)
		}
	}
}

// reconcile works with as few connections as the command has: one for the lock, and one beside it.
func (r *river) reconcile(apply bool) []Reconciliation {
	r.t.Helper()
	cfg := r.db.Config()
	cfg.MaxConns = 2
	db, err := pgxpool.NewWithConfig(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	a := Reconciler{DB: db, ClickHouse: r.ch, Kafka: r.kafka, Partitions: r.lanes, Now: time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)}
	done, err := a.Reconcile(ctx, apply)
	if err != nil {
		r.t.Fatal(err)
	}
	return done
}

func TestAPostgresThatForgotIsNoticedAndReconciled(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	admin := r.admin()
	defer admin.Close(t.Context())
	if _, err := admin.Exec(t.Context(), `UPDATE setting SET value = $1 WHERE name = 'ledger_spool'`, uuid.UUID{1}.String()); err != nil {
		t.Fatal(err)
	}
	all := []string{event.Touches, event.Orders, event.Decisions}
	makers := []func(int) *event.Event{click, sale, ledgerEvent}
	wave := func(from, to int) {
		stop := r.run(r.loader(owner()))
		for i, topic := range all {
			r.send(topic, 0, 1, several(makers[i], from, to)...)
		}
		for _, topic := range all {
			r.loaded(topic, int64(to))
		}
		stop()
	}
	wave(1, 300)
	// The books have numbered 20 more than the loader has taken in.
	if _, err := admin.Exec(t.Context(), `INSERT INTO position (consumer, topic, partition, out_seq) VALUES ('engine', 'orders', 0, 320)`); err != nil {
		t.Fatal(err)
	}
	restore := r.keeps(admin)
	wave(301, 600)
	restore()

	stop := r.run(r.loader(owner()))
	r.eventually("all three partitions halt", func() bool {
		return r.books(`SELECT count(*) FROM position WHERE consumer = 'loader' AND halted LIKE 'PostgreSQL was restored%'`) == 3
	})
	stop()
	for _, table := range []string{"touch", "order_event", "ledger"} {
		r.equal("rows of "+table+" while it is halted", r.number("SELECT count() FROM "+table), 600)
	}

	told := r.reconcile(false)
	r.equal("rows of touch after a look", r.number("SELECT count() FROM touch"), 600)
	done := r.reconcile(true)
	for _, a := range [][]Reconciliation{told, done} {
		if len(a) != 3 || a[0].Removed != 300 || a[1].Removed != 300 || a[2].Removed != 300 || a[2].Orphans != 280 {
			t.Errorf("Reconcile() = %v", a)
		}
	}
	r.equal("rows of touch when reconciled", r.number("SELECT count() FROM touch"), 300)

	// The books renumber what the life before had numbered otherwise.
	r.sent[fmt.Sprint(event.Decisions, 0, byte(1))] = 320
	r.send(event.Decisions, 0, 1, several(ledgerEvent, 10_321, 10_400)...)
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 600)
	r.loaded(event.Orders, 600)
	r.loaded(event.Decisions, 680)
	r.once(event.Touches, 600)
	r.once(event.Orders, 600)
	r.once(event.Decisions, 400)
	r.equal("ledger events of the new life", r.number("SELECT count() FROM ledger WHERE order_no > 10000 AND _seq = order_no - 10000"), 80)
	r.equal("ledger events of the old life", r.number("SELECT count() FROM ledger WHERE order_no <= 320 AND _seq = order_no"), 320)
}

func TestAClickHouseThatForgotIsFilledAgain(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	stop := r.run(r.loader(owner()))
	for partition := range 2 {
		shift := partition * 1_000_000
		r.send(event.Touches, partition, byte(partition+1), several(click, shift+1, shift+900)...)
	}
	r.loaded(event.Touches, 1800)
	stop()
	firsts := slices.Sorted(slices.Values(r.firsts()))
	if len(firsts) < 4 {
		t.Fatalf("%d batches are too few for this test", len(firsts))
	}
	// The copy ends in the midst of a batch, and its rollup is of another moment.
	r.exec("ALTER TABLE touch DELETE WHERE _offset >= ? SETTINGS mutations_sync = 2", firsts[len(firsts)/2]+1)
	r.exec("ALTER TABLE touch_15m DELETE WHERE link_id = 3 SETTINGS mutations_sync = 2")
	var again int64
	for _, a := range r.reconcile(true) {
		again += a.Again
	}
	if again == 0 {
		t.Error("no batch goes again")
	}
	r.run(r.loader(owner()))
	r.eventually("nothing is open", func() bool { return r.books(`SELECT count(*) FROM clickhouse_batch WHERE state = 'planned'`) == 0 })
	r.once(event.Touches, 1800)
}

func TestReconcilingIsExclusiveAndFencesFrozenLoaders(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	stop := r.run(r.loader(owner()))
	r.send(event.Touches, 0, 1, several(click, 1, 50)...)
	r.loaded(event.Touches, 50)
	stop()
	frozen := position.Held{Consumer: Consumer, Topic: event.Touches, Epoch: r.books(`SELECT epoch FROM position WHERE consumer = 'loader' AND topic = 'touches'`)}

	another := r.admin()
	defer another.Close(t.Context())
	if _, err := another.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, int64(reconcileLock)); err != nil {
		t.Fatal(err)
	}
	a := Reconciler{DB: r.db, ClickHouse: r.ch, Kafka: r.kafka, Partitions: r.lanes, Now: time.Now()}
	if _, err := a.Reconcile(t.Context(), true); fault.Of(err).Code != "not_alone" {
		t.Errorf("reconciling beside another reconciliation: %v", err)
	}
	if _, err := another.Exec(t.Context(), `SELECT pg_advisory_unlock($1)`, int64(reconcileLock)); err != nil {
		t.Fatal(err)
	}
	for range 20 { // each lets go before it returns
		r.reconcile(true)
	}
	err := postgres.InTx(t.Context(), r.db, func(tx pgx.Tx) error {
		_, err := frozen.Lock(t.Context(), tx)
		return err
	})
	if !errors.Is(err, position.ErrLost) {
		t.Errorf("a loader that was frozen during the reconciliation goes on: %v", err)
	}
}

func TestADeadLetterWithoutItsRowIsRetriedAgain(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.repaired(r.letter())
	stop := r.run(r.loader(owner()))
	isBack := func() bool { return r.books(`SELECT count(*) FROM dead_letter WHERE state = 'returned'`) == 1 }
	r.eventually("it is returned", isBack)
	stop()
	if done := r.reconcile(true); len(done) > 0 {
		t.Errorf("with nothing lost Reconcile() = %v", done)
	}
	r.exec("ALTER TABLE touch DELETE WHERE _seq = 2 SETTINGS mutations_sync = 2")
	for _, done := range [][]Reconciliation{r.reconcile(false), r.reconcile(true)} {
		if len(done) != 1 || done[0].Letters != 1 || done[0].Again != 0 {
			t.Errorf("Reconcile() = %v", done)
		}
	}
	stop = r.run(r.loader(owner()))
	r.eventually("it is returned again", isBack)
	stop()
	r.once(event.Touches, 3)

	// A batch that is open makes all rows behind it go again.
	if _, err := r.db.Exec(t.Context(), `UPDATE clickhouse_batch SET state = 'planned', done_at = NULL`); err != nil {
		t.Fatal(err)
	}
	if done := r.reconcile(true); len(done) != 1 || done[0].Removed != 3 || done[0].Letters != 1 {
		t.Errorf("with an open batch Reconcile() = %v", done)
	}
	r.run(r.loader(owner()))
	r.eventually("both are there again", func() bool {
		return isBack() && r.books(`SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`) == 0
	})
	r.once(event.Touches, 3)
}
