package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission/engine"
	"tributary/commission/inbox"
	"tributary/internal/postgres"
	"tributary/partners/program"
)

func newRebind(a *app) *cobra.Command {
	var programID, partner int64
	var from, note string
	cmd := &cobra.Command{
		Use:   "rebind CUSTOMER",
		Short: "Bind a customer to a partner from a time on, or set them free",
		Long: `Have a customer belong to a partner of a program from a time on, for as long as the program's terms of that time bind customers;
with --partner 0, to nobody. CUSTOMER is the id that the merchant's orders name. Orders that were placed since are decided again
within some seconds, and their commissions corrected; the note says why, and stays.

  tributary admin rebind c-77 --program 1 --partner 17 --from 2026-11-01T00:00:00Z --note "the first order named the wrong site"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			since, err := time.Parse(time.RFC3339, from)
			if err != nil {
				return usageError(cmd, fmt.Sprintf("--from %q is not a time such as 2026-11-01T00:00:00Z", from))
			}
			b := inbox.Binding{Customer: args[0], Program: program.ProgramID(programID), Partner: program.PartnerID(partner), From: since.UTC()}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return engine.Rebind(ctx, db, b, author(), note, a.cfg.Partitions)
			})
		},
	}
	cmd.Flags().Int64Var(&programID, "program", 0, "number of the program")
	cmd.Flags().Int64Var(&partner, "partner", 0, "number of the partner, 0 to set the customer free")
	cmd.Flags().StringVar(&from, "from", "", "since when, RFC 3339 with a zone")
	cmd.Flags().StringVar(&note, "note", "", "why")
	for _, name := range []string{"program", "partner", "from", "note"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}
