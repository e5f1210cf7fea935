package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners/access"
)

func newVoidOrder(a *app) *cobra.Command {
	said := commission.Reviewed{Verb: commission.Void}
	var test bool
	var note string
	cmd := &cobra.Command{
		Use:   "void-order",
		Short: "Declare that an order never was",
		Long: `Declare that an order never was, as when a shop reported a trial by mistake. The engine takes this in ten seconds later: nobody
earns on the order, nothing counts it, and what was posted is taken back at its own times, also what was paid, which is then a debt
of the partner's. It cannot be undone. What came back of a real order is a refund.

  tributary admin void-order --merchant 1 --order A-1001 --note "a test of the new checkout"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if test {
				said.Keys = event.Trial
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
					if err := access.ActAsNetwork(ctx, tx); err != nil {
						return err
					}
					_, err := engine.ReviewOrder(ctx, tx, said, "operator", note)
					return err
				})
			})
		},
	}
	cmd.Flags().Int64Var(&said.Merchant, "merchant", 0, "number of the merchant, as create-merchant printed it")
	cmd.Flags().StringVar(&said.Order, "order", "", "the merchant's id of the order")
	cmd.Flags().BoolVar(&test, "test", false, "it is a test order")
	cmd.Flags().StringVar(&note, "note", "", "why, for the record")
	for _, name := range []string{"merchant", "order", "note"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}
