package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/postgres"
)

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// tenMillion measures the engine into books that hold ten million orders, in turns with empty ones on the same server. Most of the
// ten million are copies that PostgreSQL makes of the first. It takes some forty gigabytes.
func tenMillion(ctx context.Context, b *bench) error {
	if b.quick {
		sayf("  skipped: it takes ten million orders")
		return nil
	}
	n, err := b.network(ctx, "books")
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.steady(ctx); err != nil {
		return err
	}
	const made, all, sample = 250_000, 10_000_000, 150_000
	if _, err := n.orders(ctx, 0, made); err != nil {
		return err
	}
	if err := n.multiply(ctx, made, all/made); err != nil {
		return err
	}
	if err := n.sealed(ctx); err != nil {
		return err
	}
	known := made
	var empty, full []float64
	for turn := range b.turns() {
		taken, err := n.emptyBooks(ctx, fmt.Sprintf("none%d", turn), sample)
		if err != nil {
			return err
		}
		empty = append(empty, taken.perSecond)
		if taken, err = n.orders(ctx, known, sample); err != nil {
			return err
		}
		full = append(full, taken.perSecond)
		known += sample
	}
	return b.report(figure{Name: "engine_with_10M_orders", Value: median(full), Unit: "orders/s", Against: "empty books", AgainstValue: median(empty)}, ">= 0.9")
}

// multiply adds copies of the network's orders, events, commissions and postings, until there are so many times as many: with
// numbers and ids of their own, on the same accounts.
func (n *network) multiply(ctx context.Context, orders, times int) error {
	first, err := n.number(ctx, "SELECT min(no) FROM orders")
	if err != nil {
		return err
	}
	last, err := n.number(ctx, "SELECT max(no) FROM orders")
	if err != nil {
		return err
	}
	span := last - first + 1
	for k := 1; k < times; k++ {
		err := postgres.InTx(ctx, n.db, func(tx pgx.Tx) error {
			// What refers to what is as right in a copy as in the original.
			if _, err := tx.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
				return fmt.Errorf("copying orders: %w", err)
			}
			for _, t := range kept() {
				if err := copyRows(ctx, tx, t, first, last, int64(k)*span, k); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, "SELECT setval('order_no', $1)", last+int64(k)*span)
			return err
		})
		if err != nil {
			return err
		}
		sayf("  %d orders are in the books", (k+1)*orders)
	}
	if _, err := n.db.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return fmt.Errorf("counting what is there: %w", err)
	}
	return nil
}

// copyRows adds a copy of a table's rows of some orders.
func copyRows(ctx context.Context, tx pgx.Tx, table [2]string, first, last, step int64, k int) error {
	all, err := columns(ctx, tx, table[0])
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(name string) bool { return name == "seq" }) // it numbers postings by itself
	values := slices.Clone(all)
	for i, name := range all {
		switch name {
		case table[1]:
			values[i] = fmt.Sprintf("%s + %d", name, step)
		case "order_id":
			values[i] = fmt.Sprintf("%s || '-%d'", name, k)
		case "event_id":
			values[i] = "gen_random_uuid()"
		}
	}
	_, err = tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s BETWEEN %d AND %d",
		table[0], strings.Join(all, ", "), strings.Join(values, ", "), table[0], table[1], first, last))
	if err != nil {
		return fmt.Errorf("copying %s: %w", table[0], err)
	}
	return nil
}

// sealed has an engine seal what is in the books.
func (n *network) sealed(ctx context.Context) error {
	e, err := n.serve(ctx, "engine", "", "engine")
	if err != nil {
		return err
	}
	defer e.stop()
	if err := e.await(ctx, "the books are not sealed", 30*time.Minute, func() (bool, error) { return n.isSealed(ctx) }); err != nil {
		return err
	}
	return n.rest(ctx)
}

func (n *network) isSealed(ctx context.Context) (bool, error) {
	left, err := n.number(ctx, "SELECT coalesce((SELECT max(seq) FROM posting), 0) - coalesce((SELECT max(through_seq) FROM chain), 0)")
	return left == 0, err
}
