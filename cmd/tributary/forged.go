package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/position"
	"tributary/internal/postgres"
)

// forgedShown bounds a list of forged records.
const forgedShown = 1000

// newForged is `tributary forged`: what others wrote to Kafka.
func newForged(a *app) *cobra.Command {
	root := &cobra.Command{Use: "forged", Short: "Records in Kafka that no key of this network has signed"}
	root.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List them, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				all, err := position.ListForged(ctx, db, forgedShown)
				for _, f := range all {
					fmt.Fprintf(cmd.OutOrStdout(), "%d %s: %s, partition %d of %s, offset %d, %d bytes, record %x", f.No, f.At.UTC().Format(time.RFC3339), f.Consumer, f.Partition, f.Topic, f.Offset, f.Size, f.Hash[:6])
					if f.Note != "" {
						fmt.Fprintf(cmd.OutOrStdout(), ", declared: %s", f.Note)
					}
					fmt.Fprintln(cmd.OutOrStdout())
				}
				return err
			})
		},
	})
	var note string
	declare := &cobra.Command{
		Use:   "declare CONSUMER TOPIC PARTITION --note WHY",
		Short: "Say that the record at which a partition is halted is forged",
		Long: `A partition that meets a record signed by a key which is not here is halted. Where no process of yours has that key, the record is
somebody else's: this passes over that one record, for the loader and the engine, and stores it in the table forged. Where one has,
add the key to TRIBUTARY_RECORD_KEYS instead: what is declared forged is never taken in.`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			partition, err := strconv.Atoi(args[2])
			if err != nil || note == "" {
				return usageError(cmd, "PARTITION must be a number, and --note must say why")
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				hash, err := position.Declare(ctx, db, args[0], args[1], partition, note)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "record %x of %s, partition %d, is forged\n", hash[:6], args[1], partition)
				}
				return err
			})
		},
	}
	declare.Flags().StringVar(&note, "note", "", "why, for whoever reads the list")
	root.AddCommand(declare)
	return root
}
