package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission/engine"
	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/tracker/loader"
	"tributary/tracker/spool"
)

const (
	// reportsAtOnce and clicksAtOnce are how many are looked up in one statement.
	reportsAtOnce, clicksAtOnce = 1000, 200_000
	// vanishedShown bounds how many are named.
	vanishedShown = 1000
)

// keptSpool is what the comparison of a spool with what is stored came to.
type keptSpool struct {
	Spool    string   `json:"spool"`
	Reports  int      `json:"reports"`
	Clicks   int      `json:"clicks"`
	Vanished int      `json:"vanished"`
	Found    []string `json:"found"` // at most 1,000 of them
}

// String says it in one line.
func (k keptSpool) String() string {
	return fmt.Sprintf("spool %s keeps %d reports and %d clicks: %d are not stored", k.Spool, k.Reports, k.Clicks, k.Vanished)
}

func newSpoolVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FOLDER]",
		Short: "Compare the records that a tracker's spool still keeps with what is stored",
		Long: `FOLDER holds a spool, as in a tracker's data folder (the default): a copy of one, or that of a tracker that is stopped. Each report of
an order in it that the engine counts as seen must be in the books, as an order, a conflict or a dead letter, and each click that
the loader counts as seen must be in ClickHouse. Those that are not are named, and the command exits 1. Run it when somebody may
have written to Kafka who should not.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := a.cfg.Data
			if len(args) == 1 {
				folder = args[0]
			}
			return a.withStores(cmd.Context(), need{postgres: true, clickhouse: true}, cmd.ErrOrStderr(), func(ctx context.Context, s stores) error {
				db, err := postgres.Open(ctx, s.postgres[postgres.Operator.Name()], postgres.Operator, 2)
				if err != nil {
					return err
				}
				defer db.Close()
				conn, err := clickhouse.Open(s.clickhouse[clickhouse.Operator.Name()], 1)
				if err != nil {
					return err
				}
				defer conn.Close()
				kept, err := a.compareSpool(ctx, db, conn, folder)
				if err != nil {
					return err
				}
				for _, f := range kept.Found {
					fmt.Fprintln(cmd.OutOrStdout(), f)
				}
				fmt.Fprintln(cmd.OutOrStdout(), kept)
				if kept.Vanished > 0 {
					return &findingError{findings: kept.Vanished}
				}
				return nil
			})
		},
	}
}

// comparison goes through a spool.
type comparison struct {
	*app
	db   *pgxpool.Pool
	conn clickhouse.Conn
	id   spool.ID

	keptSpool
	reports []stream.Record
	clicks  []loader.Kept
}

// compareSpool compares the spool of a folder with what is stored.
func (a *app) compareSpool(ctx context.Context, db *pgxpool.Pool, conn clickhouse.Conn, folder string) (keptSpool, error) {
	dir := filepath.Join(folder, "spool")
	if _, err := os.Stat(dir); err != nil { // opening would make one
		return keptSpool{}, fmt.Errorf("looking for a spool: %w", err)
	}
	if err := spool.Idle(dir); err != nil {
		return keptSpool{}, fmt.Errorf("copy it, or stop the tracker that works on it: %w", err)
	}
	held, err := spool.Open(spool.Config{Dir: dir, Lanes: 2 * a.cfg.Partitions, Keep: a.cfg.SpoolKeep, Log: a.log})
	if err != nil {
		return keptSpool{}, err
	}
	defer held.Close()
	reader, err := held.Reader(held.Start())
	if err != nil {
		return keptSpool{}, fmt.Errorf("reading the spool: %w", err)
	}
	defer reader.Close() //nolint:errcheck // it only reads
	c := comparison{app: a, db: db, conn: conn, id: held.ID(), keptSpool: keptSpool{Spool: held.ID().String(), Found: []string{}}}
	for {
		record, found, err := reader.Poll()
		if err != nil {
			return c.keptSpool, fmt.Errorf("reading the spool: %w", err)
		}
		if !found {
			return c.keptSpool, errors.Join(c.compareReports(ctx), c.compareClicks(ctx))
		}
		if err := c.add(ctx, record); err != nil {
			return c.keptSpool, err
		}
	}
}

// add takes in a record, and compares when there are enough of its kind.
func (c *comparison) add(ctx context.Context, e spool.Record) error {
	if e.Lane < c.cfg.Partitions {
		if click, ok := loader.KeptOf(stream.Record{Partition: e.Lane, Seq: e.Seq, Value: e.Payload}); ok {
			c.clicks = append(c.clicks, click)
		}
		if len(c.clicks) >= clicksAtOnce {
			return c.compareClicks(ctx)
		}
		return nil
	}
	c.reports = append(c.reports, stream.Record{Partition: e.Lane - c.cfg.Partitions, Value: bytes.Clone(e.Payload), Spool: c.id, Seq: e.Seq})
	if len(c.reports) >= reportsAtOnce {
		return c.compareReports(ctx)
	}
	return nil
}

func (c *comparison) compareReports(ctx context.Context) error {
	found, err := engine.CompareKept(ctx, c.db, c.reports, c.cfg.Partitions)
	for _, v := range found {
		c.find(v.String())
	}
	c.Reports, c.reports = c.Reports+len(c.reports), c.reports[:0]
	return err
}

func (c *comparison) compareClicks(ctx context.Context) error {
	found, err := loader.CompareKept(ctx, c.db, c.conn, c.id, c.clicks)
	for _, f := range found {
		c.find(f.String())
	}
	c.Clicks, c.clicks = c.Clicks+len(c.clicks), c.clicks[:0]
	return err
}

func (c *comparison) find(text string) {
	if c.Vanished++; len(c.Found) < vanishedShown {
		c.Found = append(c.Found, text)
	}
}
