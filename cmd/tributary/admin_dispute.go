package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/internal/event"
)

func newOpenDispute(a *app) *cobra.Command {
	said := commission.Disputed{}
	var test bool
	var note string
	cmd := &cobra.Command{
		Use:   "open-dispute",
		Short: "Say that a customer disputes their payment of an order",
		Long: `Say that a customer disputes their payment of an order with their bank, in place of its merchant: of an amount, or of the whole order.
What the order's commissions have for it is held until settle-dispute says how the dispute ended.

It takes effect after ten seconds. The number that is printed is the dispute's; it withdraws the dispute until then: tributary admin
undo-review NUMBER --note "...".

  tributary admin open-dispute --merchant 1 --order A-1001 --dispute dp_17 --amount 2500`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if test {
				said.Keys = event.Trial
			}
			var no int64
			err := a.actAsNetwork(cmd, func(ctx context.Context, tx pgx.Tx) (err error) {
				no, err = engine.OpenDispute(ctx, tx, said, author(), note)
				return err
			})
			return printID(cmd, no, err)
		},
	}
	cmd.Flags().Int64Var(&said.Merchant, "merchant", 0, "number of the merchant, as create-merchant printed it")
	cmd.Flags().StringVar(&said.Order, "order", "", "the merchant's id of the order")
	cmd.Flags().BoolVar(&test, "test", false, "it is a test order")
	cmd.Flags().StringVar(&said.Dispute, "dispute", "", "id of the dispute, as the payment provider has it")
	cmd.Flags().Int64Var(&said.Amount, "amount", 0, "what is disputed, in minor units of the order's currency")
	cmd.Flags().BoolVar(&said.Whole, "whole-order", false, "all of the order is disputed")
	cmd.Flags().StringVar(&note, "note", "", "for the record")
	for _, name := range []string{"merchant", "order", "dispute"} {
		_ = cmd.MarkFlagRequired(name)
	}
	cmd.MarkFlagsOneRequired("amount", "whole-order")
	cmd.MarkFlagsMutuallyExclusive("amount", "whole-order")
	return cmd
}

func newSettleDispute(a *app) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "settle-dispute DISPUTE won|lost",
		Short: "Say how a customer's dispute of an order ended",
		Long: `Say how a customer's dispute of an order ended, in place of its merchant. What was held for one that is won is given back. One that is
lost is a refund of what is disputed. DISPUTE is the number that open-dispute printed; the merchant's page Disputes and its file list them.

It takes effect after ten seconds. The number that is printed withdraws it until then: tributary admin undo-review NUMBER --note "...".

  tributary admin settle-dispute 4711 lost`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{string(commission.DisputeWon), string(commission.DisputeLost)},
		RunE: func(cmd *cobra.Command, args []string) error {
			dispute, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError(cmd, fmt.Sprintf("DISPUTE %q is not a number", args[0]))
			}
			var no int64
			err = a.actAsNetwork(cmd, func(ctx context.Context, tx pgx.Tx) (err error) {
				no, err = engine.SettleDispute(ctx, tx, dispute, commission.DisputeState(args[1]), author(), note)
				return err
			})
			return printID(cmd, no, err)
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "for the record")
	return cmd
}
