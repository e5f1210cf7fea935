package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tributary/internal/embedded"
	"tributary/internal/postgres"
)

// engine measures orders of three lines from Kafka to committed books, in turns: into books that hold a million, and into
// empty ones on the same server. Beside them stand COPY of the very rows that an order leaves, and pgbench.
func engine(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "engine")
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.steady(ctx); err != nil {
		return err
	}
	sample, full := b.scaled(150_000), b.scaled(1_000_000)
	known := 0
	for known < full {
		step := min(full/5, full-known)
		if _, err := n.orders(ctx, known, step); err != nil {
			return err
		}
		known += step
		sayf("  %d orders are in the books", known)
	}
	var empty, later []float64
	for turn := range b.turns() {
		taken, err := n.emptyBooks(ctx, fmt.Sprintf("empty%d", turn), sample)
		if err != nil {
			return err
		}
		empty = append(empty, taken.perSecond)
		if taken, err = n.orders(ctx, known, sample); err != nil {
			return err
		}
		later = append(later, taken.perSecond)
		known += sample
	}
	posted, err := n.number(ctx, "SELECT count(*) FROM orders WHERE outcome = 'credited'")
	if err != nil || posted != int64(known) {
		return fmt.Errorf("%d of %d orders are credited: %w", posted, known, err)
	}
	copied, err := n.copyAlone(ctx, sample)
	if err != nil {
		return err
	}
	transfers, err := n.pgbench(ctx)
	if err != nil {
		return err
	}
	inspection, err := n.inspection(ctx)
	if err != nil {
		return err
	}
	return firstError(
		b.report(figure{Name: "engine", Value: median(empty), Unit: "orders/s", Against: "pgbench transfers", AgainstValue: transfers}, ">= 4"),
		b.report(figure{Name: "engine", Value: median(empty), Unit: "orders/s", Against: "COPY", AgainstValue: copied.perSecond}, ">= 0.4"),
		b.report(figure{Name: "engine_with_1M_orders", Value: median(later), Unit: "orders/s", Against: "empty books", AgainstValue: median(empty)}, ">= 0.9"),
		b.report(figure{Name: "inspection_with_1M_orders", Value: inspection, Unit: "s"}, ""),
	)
}

// emptyBooks measures so many orders into a further database of the same server.
func (n *network) emptyBooks(ctx context.Context, name string, orders int) (takenIn, error) {
	sibling, err := n.sibling(ctx, name, 40)
	if err != nil {
		return takenIn{}, err
	}
	return sibling.orders(ctx, 0, orders)
}

// inspection is what an engine takes to go over the books, as it does every two minutes, for the first time after its start.
func (n *network) inspection(ctx context.Context) (seconds float64, err error) {
	e, err := n.serve(ctx, "engine", "", "engine")
	if err != nil {
		return 0, err
	}
	defer e.stop()
	err = e.await(ctx, "the books are not inspected", 2*time.Minute, func() (bool, error) {
		at, err := metric(ctx, e.inside, "tributary_books_inspected_timestamp_seconds")
		return at > 0, err
	})
	if err != nil {
		return 0, err
	}
	return metric(ctx, e.inside, "tributary_books_inspection_seconds")
}

// takenIn is how fast an engine takes orders in, and what one costs: microseconds of processor in the engine and PostgreSQL.
type takenIn struct{ perSecond, cost float64 }

// orders puts so many orders into Kafka by way of a tracker's spool, and then takes the time of an engine.
func (n *network) orders(ctx context.Context, first, orders int) (taken takenIn, err error) {
	if err := n.fill(ctx, "tracker", 0, orders, first); err != nil {
		return taken, err
	}
	tracker, err := n.serve(ctx, "tracker", "", "tracker")
	if err != nil {
		return taken, err
	}
	err = tracker.await(ctx, "the orders are not in Kafka", 5*time.Minute, func() (bool, error) {
		sent, err := metric(ctx, tracker.inside, "tributary_relay_sent_total")
		return sent >= float64(orders), err
	})
	if err != nil {
		return taken, err
	}
	tracker.stop()
	if err := n.rest(ctx); err != nil {
		return taken, err
	}
	e, err := n.serve(ctx, "engine", "", "engine")
	if err != nil {
		return taken, err
	}
	defer e.stop()
	database := n.engines.Status(embedded.Postgres).Pid
	before := usedByAll(database)
	m, err := follow(ctx, e.process, "the engine", int64(first+orders), func(ctx context.Context) (int64, error) { return n.number(ctx, ordersRead) })
	if err != nil {
		return taken, err
	}
	each := func(t time.Duration) float64 { return float64(t.Microseconds()) / float64(orders) }
	own, beside := each(usedByAll(e.pid)), each(usedByAll(database)-before)
	sayf("  %d orders at %.0f/s; an order took %.1f us of processor in the engine, %.1f in PostgreSQL", orders, m.perSecond(), own, beside)
	// What it still has to seal and to send must not be left to the next one.
	if err := e.await(ctx, "the books are not sealed", time.Minute, func() (bool, error) { return n.isSealed(ctx) }); err != nil {
		return taken, err
	}
	return takenIn{m.perSecond(), own + beside}, e.awaitIdle(ctx)
}

// steady brings a new server to where one is that has run for a while, and uses the files of its log again: until then each is
// made of zeros when it is needed, for which whoever is measured first would pay.
func (n *network) steady(ctx context.Context) error {
	for _, statement := range []string{
		fmt.Sprintf("CREATE TABLE bench_ballast AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, %d) n", n.scaled(1_200_000)),
		"DROP TABLE bench_ballast",
		"CHECKPOINT",
	} {
		if _, err := n.db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("bringing PostgreSQL to a steady state: %w", err)
		}
	}
	return nil
}

// rest waits, a quarter of a minute at most, until PostgreSQL no longer looks over the rows that steps before have added.
func (n *network) rest(ctx context.Context) error {
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		workers, err := n.number(ctx, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'")
		if err != nil || workers == 0 {
			return err
		}
	}
	sayf("  autovacuum is still at work")
	return nil
}

// kept are the tables in which an order leaves rows, and the column that numbers them by order.
func kept() [][2]string {
	return [][2]string{{"orders", "no"}, {"order_event", "order_no"}, {"commission", "order_no"}, {"posting", "source_no"}}
}

// copyAlone writes the rows of so many orders again, into tables with the same columns and indexes, 1,000 orders a
// transaction, with as many writers as the engine has: what COPY can do on this server.
func (n *network) copyAlone(ctx context.Context, orders int) (copied takenIn, err error) {
	const slice, writers = 1000, 2
	for _, t := range kept() {
		if err := n.twin(ctx, t[0]); err != nil {
			return copied, fmt.Errorf("making a table for COPY: %w", err)
		}
	}
	lowest, err := n.number(ctx, "SELECT min(no) FROM orders")
	if err != nil {
		return copied, err
	}
	slices := make([][]bytes.Buffer, orders/slice)
	conn, err := n.db.Acquire(ctx)
	if err != nil {
		return copied, fmt.Errorf("connecting: %w", err)
	}
	defer conn.Release()
	for i := range slices {
		slices[i] = make([]bytes.Buffer, len(kept()))
		for j, t := range kept() {
			from := lowest + int64(i*slice)
			query := fmt.Sprintf("COPY (SELECT * FROM %s WHERE %s >= %d AND %s < %d) TO STDOUT BINARY", t[0], t[1], from, t[1], from+slice) //nolint:unqueryvet // the rows as they are
			if _, err := conn.Conn().PgConn().CopyTo(ctx, &slices[i][j], query); err != nil {
				return copied, fmt.Errorf("reading the rows of orders: %w", err)
			}
		}
	}
	database := n.engines.Status(embedded.Postgres).Pid
	began, before := time.Now(), usedByAll(database)
	var next atomic.Int64
	group, writing := errgroup.WithContext(ctx)
	for range writers {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(slices)); i = next.Add(1) - 1 {
				err := postgres.InTx(writing, n.db, func(tx pgx.Tx) error {
					for j, t := range kept() {
						if _, err := tx.Conn().PgConn().CopyFrom(writing, &slices[i][j], "COPY "+t[0]+"_copy FROM STDIN BINARY"); err != nil {
							return fmt.Errorf("copying into %s: %w", t[0], err)
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return copied, err
	}
	written := float64(len(slices) * slice)
	copied = takenIn{written / time.Since(began).Seconds(), float64((usedByAll(database) - before).Microseconds()) / written}
	sayf("  COPY of the same rows: %.0f orders/s; an order took %.1f us of processor in PostgreSQL", copied.perSecond, copied.cost)
	for _, t := range kept() {
		if _, err := n.db.Exec(ctx, "DROP TABLE "+t[0]+"_copy"); err != nil {
			return copied, fmt.Errorf("dropping a table for COPY: %w", err)
		}
	}
	return copied, nil
}

// twin makes an empty table NAME_copy with the columns, indexes and storage of a table.
func (n *network) twin(ctx context.Context, name string) error {
	if _, err := n.db.Exec(ctx, "CREATE TABLE "+name+"_copy (LIKE "+name+" INCLUDING ALL EXCLUDING GENERATED)"); err != nil {
		return err
	}
	var storage string
	if err := n.db.QueryRow(ctx, "SELECT coalesce(array_to_string(reloptions, ', '), '') FROM pg_class WHERE oid = $1::regclass", name).Scan(&storage); err != nil || storage == "" {
		return err
	}
	_, err := n.db.Exec(ctx, "ALTER TABLE "+name+"_copy SET ("+storage+")")
	return err
}

const transferScript = `\set low random(1, 199)
\set high random(:low + 1, 200)
\set amount random(1, 1000)
BEGIN;
UPDATE bench_balance SET amount = amount - :amount WHERE id = :low;
UPDATE bench_balance SET amount = amount + :amount WHERE id = :high;
INSERT INTO bench_entry (balance, amount) VALUES (:low, 0 - :amount);
INSERT INTO bench_entry (balance, amount) VALUES (:high, :amount);
COMMIT;
`

// pgbench measures plain transfers between two of 200 balances, each in a transaction of its own, by eight clients.
func (n *network) pgbench(ctx context.Context) (perSecond float64, err error) {
	_, err = n.db.Exec(ctx, `CREATE TABLE bench_balance (id int PRIMARY KEY, amount bigint NOT NULL) WITH (fillfactor = 50);
		CREATE TABLE bench_entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, balance int NOT NULL, amount bigint NOT NULL);
		INSERT INTO bench_balance SELECT n, 0 FROM generate_series(1, 200) n`)
	if err != nil {
		return 0, fmt.Errorf("making tables for pgbench: %w", err)
	}
	script := filepath.Join(n.dir, "transfer.sql")
	if err := os.WriteFile(script, []byte(transferScript), 0o600); err != nil {
		return 0, fmt.Errorf("writing a script for pgbench: %w", err)
	}
	seconds := "10"
	if n.quick {
		seconds = "3"
	}
	out, err := exec.CommandContext(ctx, "pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "1", "-T", seconds, "-f", script, n.addresses.PostgresURL).CombinedOutput()
	m := regexp.MustCompile(`tps = ([\d.]+)`).FindSubmatch(out)
	if err != nil || m == nil {
		return 0, fmt.Errorf("running pgbench: %w\n%s", err, out)
	}
	perSecond, err = strconv.ParseFloat(string(m[1]), 64)
	sayf("  pgbench: %.0f transfers/s", perSecond)
	return perSecond, err
}
