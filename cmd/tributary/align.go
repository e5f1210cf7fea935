package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/tracker/loader"
)

func newAlign(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "align",
		Short: "Bring the servers in line after PostgreSQL or ClickHouse was restored from a backup",
		Long: `Run it after a restoration, with every loader and engine stopped. PostgreSQL decides what is true: rows of ClickHouse that came
after its positions are removed and come again from Kafka; batches that ClickHouse has lost are sent again; ledger events that
the books know nothing of are passed over. The engine itself needs no help: it goes on from its restored position.

Kafka must still hold the records since the earlier of the two backups. Without --yes it only tells what there is to do.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStores(cmd.Context(), everything(), cmd.ErrOrStderr(), func(ctx context.Context, s stores) error {
				if err := a.prepare(ctx, s, everything()); err != nil {
					return err
				}
				if err := checkReports(ctx, a.log, s); err != nil {
					return err
				}
				kafka, err := stream.Open(s.kafka, a.log)
				if err != nil {
					return err
				}
				defer kafka.Close()
				db, err := postgres.Open(ctx, s.postgres[postgres.Operator.Name()], postgres.Operator, 2)
				if err != nil {
					return err
				}
				defer db.Close()
				conn, err := clickhouse.Open(s.clickhouse[clickhouse.Operator.Name()], 2)
				if err != nil {
					return err
				}
				defer conn.Close()
				aligner := loader.Aligner{DB: db, ClickHouse: conn, Kafka: kafka, Partitions: a.cfg.Partitions, Now: time.Now()}
				done, err := aligner.Align(ctx, yes)
				for _, d := range done {
					fmt.Fprintln(cmd.OutOrStdout(), d)
				}
				switch {
				case err != nil:
					return err
				case len(done) == 0:
					fmt.Fprintln(cmd.OutOrStdout(), "Everything is in line.")
				case !yes:
					fmt.Fprintln(cmd.OutOrStdout(), "Nothing was changed. With --yes it will be.")
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}
