package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/postgres"
	"tributary/partners"
)

func newSetState(a *app) *cobra.Command {
	var n partners.NewState
	var from string
	cmd := &cobra.Command{
		Use:   "set-state",
		Short: "Pause, resume, remove or approve a partner in a program",
		Long: `State where a partner stands in a program from a time on, a minute ahead at the least. Clicks of before stay as they are, and earn: only a
removal for fraud reaches orders that come of them, and has the partner's open commissions held until a person decides. What is stated takes
the place of what had been stated for that time and later. Prints from when on it holds.

  tributary admin set-state --program 1 --partner 17 --state paused --note "budget is spent"
  tributary admin set-state --program 1 --partner 17 --state approved --from 2027-01-01T00:00:00Z
  tributary admin set-state --program 1 --partner 17 --state removed:fraud --note "stolen cards"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from != "" {
				effective, err := time.Parse(time.RFC3339, from)
				if err != nil {
					return usageError(cmd, fmt.Sprintf("--from %q is not a time such as 2026-12-01T00:00:00Z", from))
				}
				n.From = effective.UTC()
			}
			n.Author = "operator"
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				var begins time.Time
				err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
					begins, err = partners.SetState(ctx, tx, n)
					return err
				})
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), begins.Format(time.RFC3339))
				}
				return err
			})
		},
	}
	cmd.Flags().Int64Var((*int64)(&n.Program), "program", 0, "number of the program, as create-program printed it")
	cmd.Flags().Int64Var((*int64)(&n.Partner), "partner", 0, "number of the partner, who is enrolled in it")
	cmd.Flags().StringVar((*string)(&n.State), "state", "", "approved, declined, paused, left, removed:breach or removed:fraud")
	cmd.Flags().StringVar(&from, "from", "", "when it begins, RFC 3339 with a zone (default a minute from now)")
	cmd.Flags().StringVar(&n.Note, "note", "", "why, for the merchant")
	for _, name := range []string{"program", "partner", "state"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}
