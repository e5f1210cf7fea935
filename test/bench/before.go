package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tributary/internal/postgres"
)

// buildEarlier builds the binary of a commit from its files alone.
func (b *bench) buildEarlier(ctx context.Context, commit string) error {
	tree, files := filepath.Join(b.dir, "earlier"), filepath.Join(b.dir, "earlier.tar")
	if err := os.Mkdir(tree, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	b.before = filepath.Join(b.dir, "tributary-before")
	for _, command := range [][]string{
		{"git", "archive", "--output", files, commit},
		{"tar", "-xf", files, "-C", tree},
		{"go", "build", "-C", tree, "-trimpath", "-ldflags=-s -w", "-o", b.before, "./cmd/tributary"},
	} {
		if err := output(ctx, "", command[0], command[1:]...); err != nil {
			return fmt.Errorf("building commit %s: %w", commit, err)
		}
	}
	return nil
}

// engineBefore measures the engine under percentages beside that of an earlier commit, in turns, each into empty books on the
// same server, with the schema, the tracker and the engine of its own binary.
func engineBefore(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "before")
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.steady(ctx); err != nil {
		return err
	}
	orders := b.scaled(150_000)
	var now, earlier, cost, costBefore []float64
	for turn := range b.turns() {
		old, err := n.vacant(ctx, fmt.Sprintf("earlier%d", turn), b.before)
		if err != nil {
			return err
		}
		if err := old.copyPeople(ctx); err != nil {
			return err
		}
		taken, err := old.orders(ctx, 0, orders)
		if err != nil {
			return fmt.Errorf("with the earlier binary: %w", err)
		}
		if credited, err := old.number(ctx, "SELECT count(*) FROM orders WHERE outcome = 'credited'"); err != nil || credited != int64(orders) {
			return fmt.Errorf("the earlier binary credits %d of %d orders: %w", credited, orders, err)
		}
		earlier, costBefore = append(earlier, taken.perSecond), append(costBefore, taken.cost)
		if taken, err = n.emptyBooks(ctx, fmt.Sprintf("now%d", turn), orders); err != nil {
			return err
		}
		now, cost = append(now, taken.perSecond), append(cost, taken.cost)
	}
	return firstError(
		b.report(figure{Name: "engine_percent", Value: median(now), Unit: "orders/s", Against: "the engine before", AgainstValue: median(earlier)}, ">= 0.95"),
		b.report(figure{Name: "engine_percent_cpu", Value: median(cost), Unit: "us", Against: "the engine before", AgainstValue: median(costBefore)}, ""),
	)
}

// copyPeople fills a network whose schema is of an earlier version with the merchant, the program, the partners and the links of the
// network that it is a sibling of, as far as it has columns for them.
func (n *network) copyPeople(ctx context.Context) error {
	return postgres.InTx(ctx, n.db, func(tx pgx.Tx) error { // terms may begin in the past in the transaction that makes their program
		for _, table := range []string{"merchant", "program", "terms", "partner", "enrolment", "link"} {
			if err := n.copyTable(ctx, tx, table); err != nil {
				return fmt.Errorf("copying %s: %w", table, err)
			}
		}
		return nil
	})
}

func (n *network) copyTable(ctx context.Context, tx pgx.Tx, table string) error {
	here, err := columns(ctx, tx, table)
	if err != nil {
		return err
	}
	there, err := columns(ctx, n.known, table)
	if err != nil {
		return err
	}
	common := strings.Join(slices.DeleteFunc(here, func(name string) bool {
		return name == "created_at" || !slices.Contains(there, name)
	}), ", ")
	var rows string
	if err := n.known.QueryRow(ctx, "SELECT json_agg(t)::text FROM (SELECT "+common+" FROM "+table+") t").Scan(&rows); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO "+table+" ("+common+") OVERRIDING SYSTEM VALUE SELECT "+common+" FROM json_populate_recordset(NULL::"+table+", $1::json)", rows)
	return err
}

// columns are those of a table that can be written.
func columns(ctx context.Context, db querier, table string) ([]string, error) {
	rows, err := db.Query(ctx, `SELECT column_name::text FROM information_schema.columns
		WHERE table_name = $1 AND table_schema = 'public' AND is_generated = 'NEVER' ORDER BY ordinal_position`, table)
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s: %w", table, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s: %w", table, err)
	}
	return names, nil
}
