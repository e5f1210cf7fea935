package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission/engine"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/tracker/spool"
)

func newSpoolVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FOLDER]",
		Short: "Compare the reports that a tracker's spool still keeps with the books",
		Long: `FOLDER holds a spool, as in a tracker's data folder (the default): a copy of one, or that of a tracker that is stopped. Each report of
an order in it, sent or not, that the engine counts as seen must be in the books: as an order, a conflict or a dead letter. Those
that are not are named, and the command exits 1. Run it when somebody may have written to Kafka who should not.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := a.cfg.Data
			if len(args) == 1 {
				folder = args[0]
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return a.verifySpool(ctx, db, folder, cmd.OutOrStdout())
			})
		},
	}
}

// compareAtOnce is how many reports are looked up in one statement.
const compareAtOnce = 1000

// verifySpool compares a spool with the books.
func (a *app) verifySpool(ctx context.Context, db *pgxpool.Pool, folder string, out io.Writer) error {
	dir := filepath.Join(folder, "spool")
	if err := spool.Idle(dir); err != nil {
		return fmt.Errorf("copy it, or stop the tracker that works on it: %w", err)
	}
	held, err := spool.Open(spool.Config{Dir: dir, Lanes: 2 * a.cfg.Partitions, Keep: a.cfg.SpoolKeep, Log: a.log})
	if err != nil {
		return err
	}
	defer held.Close()
	reader, err := held.Reader(held.Start())
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	defer reader.Close()
	reports, vanished := 0, 0
	var records []stream.Record
	compare := func() error {
		found, err := engine.CompareKept(ctx, db, held.ID(), records, a.cfg.Partitions)
		for _, v := range found {
			fmt.Fprintln(out, v)
		}
		reports, vanished, records = reports+len(records), vanished+len(found), records[:0]
		return err
	}
	for {
		entry, found, err := reader.Poll()
		if err != nil {
			return fmt.Errorf("reading the spool: %w", err)
		}
		if !found {
			break
		}
		if entry.Lane < a.cfg.Partitions {
			continue // touches
		}
		records = append(records, stream.Record{
			Partition: entry.Lane - a.cfg.Partitions, Value: append([]byte(nil), entry.Payload...), Spool: held.ID(), Seq: entry.Seq,
		})
		if len(records) == compareAtOnce {
			if err := compare(); err != nil {
				return err
			}
		}
	}
	if err := compare(); err != nil {
		return err
	}
	fmt.Fprintf(out, "spool %s keeps %d reports: %d are not in the books\n", held.ID(), reports, vanished)
	if vanished > 0 {
		return &findingError{findings: vanished}
	}
	return nil
}
