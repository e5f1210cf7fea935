package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/internal/postgres"
	"tributary/partners/access"
)

func newSettleClaim(a *app) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "settle-claim CLAIM granted|declined",
		Short: "Grant or decline a partner's claim that an order is theirs",
		Long: `Grant or decline a partner's claim that an order is theirs, in place of its merchant. The engine takes this in ten seconds later: a
claim that is granted comes before every other touch of the order, which is decided again at once. The partner reads the note. The
merchant's page Claims and its file list the claims with their numbers.

  tributary admin settle-claim 4711 granted --note "the shop's mail names them"`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{string(commission.ClaimIsGranted), string(commission.ClaimIsDeclined)},
		RunE: func(cmd *cobra.Command, args []string) error {
			claim, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return fmt.Errorf("%q is not the number of a claim", args[0])
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
					if err := access.ActAsNetwork(ctx, tx); err != nil {
						return err
					}
					_, err := engine.SettleClaim(ctx, tx, claim, commission.ClaimOutcome(args[1]), "operator", note)
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why: the partner reads it")
	_ = cmd.MarkFlagRequired("note")
	return cmd
}
