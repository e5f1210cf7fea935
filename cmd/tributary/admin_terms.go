package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

func newAddTerms(a *app) *cobra.Command {
	var id int64
	var from, file string
	var v program.Version
	cmd := &cobra.Command{
		Use:   "add-terms",
		Short: "Add terms to a program, in force from a time on",
		Long: `Add terms to a program, in force from a time on that is a minute away at least. Orders placed before it stay under the terms of
before, and those that begin later take over from it, with the network fee that they have: a warning names each that has another.
The document is JSON as docs/reference/terms.md describes it; each field that is wrong is named, with its fix. Prints the number
of the version:

  tributary admin add-terms --program 1 --from 2026-12-01T00:00:00Z --document terms.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			effective, err := time.Parse(time.RFC3339, from)
			if err != nil {
				return usageError(cmd, fmt.Sprintf("--from %q is not a time such as 2026-12-01T00:00:00Z", from))
			}
			v.EffectiveFrom = effective.UTC()
			if v.Document, err = readDocument(cmd, file); err != nil {
				return err
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				var number int
				var versions map[program.ProgramID][]program.Version
				err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
					number, err = partners.AddTerms(ctx, tx, program.ProgramID(id), v)
					if err != nil {
						return err
					}
					versions, err = partners.ReadTerms(ctx, tx, program.ProgramID(id))
					return err
				})
				if err == nil {
					warnOfFees(cmd.ErrOrStderr(), versions[program.ProgramID(id)], number)
				}
				return printID(cmd, int64(number), err)
			})
		},
	}
	cmd.Flags().Int64Var(&id, "program", 0, "number of the program, as create-program printed it")
	cmd.Flags().StringVar(&from, "from", "", "when they take effect, RFC 3339 with a zone")
	cmd.Flags().StringVar(&file, "document", "", "file with the document, or - for standard input")
	cmd.Flags().IntVar(&v.NoticeDays, "notice-days", 0, "days of notice: from now until they take effect, and then for partners to accept them")
	cmd.Flags().BoolVar(&v.NeedsAcceptance, "needs-acceptance", false, "the terms bind the partners who accept them; others stay under those before while the notice lasts")
	for _, name := range []string{"program", "from", "document"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// warnOfFees names the versions after one that was added, ascending by when they begin, whose network fee is another: a
// merchant's keeps the fee that was in force when it was set.
func warnOfFees(to io.Writer, versions []program.Version, added int) {
	var fee *program.Version
	for i := range versions {
		v := &versions[i]
		switch {
		case v.Number == added:
			fee = v
		case fee != nil && v.Document.NetworkFee != fee.Document.NetworkFee:
			fmt.Fprintf(to, "Warning: version %d begins later, on %s, and has a network fee of %s, not %s. Add terms that begin after it where the fee is to stay.\n",
				v.Number, v.EffectiveFrom.Format(time.RFC3339), v.Document.NetworkFee, fee.Document.NetworkFee)
		}
	}
}

// readDocument reads the document of terms from a file or, for "-", from standard input.
func readDocument(cmd *cobra.Command, file string) (program.Document, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return program.Document{}, fmt.Errorf("reading the document: %w", err)
		}
		defer opened.Close()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, program.MaxDocument+1))
	switch {
	case err != nil:
		return program.Document{}, fmt.Errorf("reading the document: %w", err)
	case len(text) > program.MaxDocument:
		return program.Document{}, fmt.Errorf("the document has more than %d bytes", program.MaxDocument)
	}
	return program.ParseDocument(text)
}
