package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"

	"tributary/internal/clickhouse"
)

// firstError is the first of several results that is none.
func firstError(results ...error) error {
	for _, err := range results {
		if err != nil {
			return err
		}
	}
	return nil
}

// answers tells whether somebody listens there.
func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// river measures clicks from the spool to committed rows, and then what the driver does by itself: the same rows, ready in
// memory as columns, inserted into the same table of the same server.
func river(ctx context.Context, b *bench) error {
	n, err := b.network(ctx, "river")
	if err != nil {
		return err
	}
	defer n.close()
	clicks := b.scaled(1_500_000)
	sayf("  filling a spool with %d clicks", clicks)
	if err := n.fill(ctx, "tracker", clicks, 0, 0); err != nil {
		return err
	}
	loader, err := n.serve(ctx, "loader", "", "loader")
	if err != nil {
		return err
	}
	tracker, err := n.serve(ctx, "tracker", "", "tracker")
	if err != nil {
		return err
	}
	m, err := follow(ctx, loader.process, "the river", int64(clicks), func(ctx context.Context) (int64, error) { return n.count(ctx, clicksLoaded) })
	if err != nil {
		return err
	}
	spent, err := loader.cpu()
	if err != nil {
		return err
	}
	sayf("  the river carried %.0f rows/s, the loader using %.2f us of processor a row", m.perSecond(), float64(spent.Microseconds())/float64(clicks))
	if m.last != int64(clicks) {
		return fmt.Errorf("%d rows of %d clicks", m.last, clicks)
	}
	tracker.stop()
	loader.stop()
	theirs, err := n.insertAlone(ctx)
	if err != nil {
		return err
	}
	return firstError(
		b.report(figure{Name: "river", Value: m.perSecond(), Unit: "rows/s", Against: "clickhouse-go", AgainstValue: theirs}, ">= 0.3"),
		b.report(figure{Name: "river_rate", Value: m.perSecond(), Unit: "rows/s"}, ">= 150000"),
	)
}

// insertAlone inserts rows of the table touch again, 50,000 at a time, and gives the median of the rates.
func (n *network) insertAlone(ctx context.Context) (float64, error) {
	const rows = 50_000
	names, columns, err := n.readColumns(ctx, fmt.Sprintf("SELECT * FROM touch LIMIT %d", rows)) //nolint:unqueryvet // the rows as they are
	if err != nil {
		return 0, err
	}
	if err := n.clickhouse.Exec(ctx, "TRUNCATE TABLE touch"); err != nil {
		return 0, fmt.Errorf("emptying the table touch: %w", err)
	}
	settings := clickhouse.WithSettings(ctx, clickhouse.Settings{"insert_deduplicate": 0})
	var rates []float64
	for range 12 {
		began := time.Now()
		batch, err := n.clickhouse.PrepareBatch(settings, "INSERT INTO touch ("+names+")") //nolint:clickhouselint // sent below
		if err != nil {
			return 0, fmt.Errorf("beginning an insert: %w", err)
		}
		for i, column := range columns {
			if err := batch.Column(i).Append(column); err != nil {
				return 0, fmt.Errorf("appending a column: %w", err)
			}
		}
		if err := batch.Send(); err != nil {
			return 0, fmt.Errorf("inserting: %w", err)
		}
		rates = append(rates, rows/time.Since(began).Seconds())
	}
	sayf("  the driver alone: %.0f rows/s", median(rates))
	return median(rates), nil
}

// readColumns reads the answer to a query as columns, with their names as a list.
func (n *network) readColumns(ctx context.Context, query string) (names string, columns []any, err error) {
	answer, err := n.clickhouse.Query(ctx, query)
	if err != nil {
		return "", nil, fmt.Errorf("reading rows: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	types := answer.ColumnTypes()
	list, into := make([]string, len(types)), make([]any, len(types))
	slices := make([]reflect.Value, len(types))
	for i, t := range types {
		list[i] = t.Name()
		into[i] = reflect.New(t.ScanType()).Interface()
		slices[i] = reflect.MakeSlice(reflect.SliceOf(t.ScanType()), 0, 0)
	}
	for answer.Next() {
		if err := answer.Scan(into...); err != nil {
			return "", nil, fmt.Errorf("reading a row: %w", err)
		}
		for i := range slices {
			slices[i] = reflect.Append(slices[i], reflect.ValueOf(into[i]).Elem())
		}
	}
	for _, s := range slices {
		columns = append(columns, s.Interface())
	}
	return strings.Join(list, ", "), columns, answer.Err()
}
