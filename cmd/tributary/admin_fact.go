package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/postgres"
	"tributary/partners"
)

func newAddFact(a *app) *cobra.Command {
	var n partners.Fact
	var from, file string
	cmd := &cobra.Command{
		Use:   "add-fact",
		Short: "Say what holds for one partner of a program: a group, a property, a recruiter, rules of their own",
		Long: `Say what holds for one partner of a program from a time on, a minute ahead at the least. Orders placed before stay as they are.
Before the merchant's first order it may begin in the past. Prints the number of the fact.

  tributary admin add-fact --program 1 --partner 17 --kind group --value vip
  tributary admin add-fact --program 1 --partner 17 --kind group --value vip --ends --from 2027-01-01T00:00:00Z
  tributary admin add-fact --program 1 --partner 17 --kind property --value coupon_site
  tributary admin add-fact --program 1 --partner 17 --kind recruiter --value 5
  tributary admin add-fact --program 1 --partner 17 --kind own --file own.json --note "agreed by mail"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from != "" {
				effective, err := time.Parse(time.RFC3339, from)
				if err != nil {
					return usageError(cmd, fmt.Sprintf("--from %q is not a time such as 2026-12-01T00:00:00Z", from))
				}
				n.From = effective.UTC()
			}
			if file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("reading own rules: %w", err)
				}
				n.Value = string(text)
			}
			n.Author = "operator"
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				var no int64
				err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
					no, err = partners.AddFact(ctx, tx, n)
					return err
				})
				return printID(cmd, no, err)
			})
		},
	}
	cmd.Flags().Int64Var((*int64)(&n.Program), "program", 0, "number of the program, as create-program printed it")
	cmd.Flags().Int64Var((*int64)(&n.Partner), "partner", 0, "number of the partner, who is enrolled in it")
	cmd.Flags().StringVar((*string)(&n.Kind), "kind", "", "group, property, recruiter or own")
	cmd.Flags().StringVar(&n.Value, "value", "", "the group, the property, or the number of the recruiter")
	cmd.Flags().StringVar(&file, "file", "", "file with the partner's own rules, as docs/reference/terms.md describes them")
	cmd.Flags().BoolVar(&n.Ends, "ends", false, "the partner leaves the group, or has it no longer")
	cmd.Flags().StringVar(&from, "from", "", "when it begins, RFC 3339 with a zone (default a minute from now)")
	cmd.Flags().StringVar(&n.Note, "note", "", "why, for the merchant")
	for _, name := range []string{"program", "partner", "kind"} {
		_ = cmd.MarkFlagRequired(name)
	}
	cmd.MarkFlagsMutuallyExclusive("value", "file")
	return cmd
}
