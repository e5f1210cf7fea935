package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tributary/commission/audit"
	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/tracker/loader"
)

func newRestore(a *app) *cobra.Command {
	root := &cobra.Command{Use: "restore", Short: "Reconcile the servers after a restore from a backup"}
	root.AddCommand(newReconcile(a))
	return root
}

func newReconcile(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Make ClickHouse and Kafka agree with PostgreSQL after one of them was restored",
		Long: `Run it after a restore, with every loader and engine stopped. PostgreSQL decides what is true: rows of ClickHouse that came
after its positions are removed and come again from Kafka; batches that ClickHouse has lost are sent again; ledger events that
the books do not know are skipped. The engine needs nothing: it continues at its restored position.

Kafka must still hold the records since the earlier of the two backups. Without --yes it only lists what it would do.`,
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
				reconciler := loader.Reconciler{DB: db, ClickHouse: conn, Kafka: kafka, Partitions: a.cfg.Partitions, Now: time.Now()}
				done, err := reconciler.Reconcile(ctx, yes)
				if err == nil && yes { // what is loaded then is compared with what the books hold now
					err = postgres.InTx(ctx, db, func(tx pgx.Tx) error {
						return audit.SealReports(ctx, tx, "restore "+time.Now().UTC().Format(time.RFC3339Nano))
					})
				}
				for _, d := range done {
					fmt.Fprintln(cmd.OutOrStdout(), d)
				}
				switch {
				case err != nil:
					return err
				case len(done) == 0:
					fmt.Fprintln(cmd.OutOrStdout(), "Everything agrees.")
				case !yes:
					fmt.Fprintln(cmd.OutOrStdout(), "Nothing was changed. Run it with --yes to do this.")
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}
