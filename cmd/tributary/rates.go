package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission/fx"
	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/internal/text"
)

func newRates(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "rates",
		Short: "Enter and list exchange rates",
		Long: `Enter what currencies are worth in one another, and list what is known. An order in another currency than its program's terms is
converted by the last rate published before it was placed: one between the two currencies, or the quotient of two rates of one source.
A rate that stands is never changed. One of the past begins when it was published where no commission stands that it would have
converted, and orders that lacked it are decided again; else it begins in two minutes, if it is the newest.

  tributary rates import eurofxref-hist.csv
  tributary rates import treasury.csv --source Treasury
  tributary rates add EUR AED 4.0123 --source Treasury --note "month-end rate"`,
	}
	root.AddCommand(newImportRates(a), newAddRate(a), newListRates(a))
	return root
}

func newImportRates(a *app) *cobra.Command {
	var source, note string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Enter the rates of a file: the European Central Bank's, or a table",
		Long: `Enter the rates of a file (- for standard input). The European Central Bank's eurofxref.csv and eurofxref-hist.csv are read as they
are. A table has the columns base,quote,day,rate and perhaps from (RFC 3339), and a --source; the rate N/A ends a pair. Rates that are
there already are passed over, so the whole history may be imported every day.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			entries, err := readRates(cmd, args[0], source)
			if err != nil {
				return err
			}
			return a.enterRates(cmd, entries, note)
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "who published the rates of a table")
	cmd.Flags().StringVar(&note, "note", "", "what is to be remembered of them")
	return cmd
}

// readRates reads a file of rates or, for "-", standard input.
func readRates(cmd *cobra.Command, file, source string) ([]fx.Entry, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("reading rates: %w", err)
		}
		defer opened.Close()
		in = opened
	}
	return fx.Read(in, source)
}

// enterRates enters rates in the name of whoever gives the command, and says what it did.
func (a *app) enterRates(cmd *cobra.Command, entries []fx.Entry, note string) error {
	return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
		var done fx.Entered
		err := postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
			done, err = fx.Enter(ctx, tx, entries, author(), note)
			return err
		})
		if err != nil {
			return err
		}
		t, against := text.English(), text.Message{}
		if a := done.Against; a != nil {
			against = text.DetailRateAgainst(a.Rate.Day.Format(time.DateOnly), a.From, strconv.FormatInt(a.Merchant, 10), strconv.Quote(a.Order),
				a.At.Format(time.RFC3339), a.Rate.Base+"/"+a.Rate.Quote, a.Rate.Source, a.To)
		}
		if done.Against != nil && done.Late == len(entries) {
			return fault.Detailed(fault.Conflict, "rate_too_late", against, nil)
		}
		said := []string{t.RatesEntered(int64(done.Added)), t.RatesKnown(int64(done.Known)), t.RatesLate(int64(done.Late))}
		if done.Again > 0 {
			said = append(said, t.RatesAgain(done.Again))
		}
		if done.Against != nil {
			said = append(said, t.Say(against))
		}
		fmt.Fprintln(cmd.OutOrStdout(), strings.Join(said, " "))
		return nil
	})
}

func newAddRate(a *app) *cobra.Command {
	var source, note, day string
	cmd := &cobra.Command{
		Use:   "add BASE QUOTE RATE",
		Short: "Enter one rate: what one of BASE is worth in QUOTE",
		Args:  cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if day == "" {
				day = time.Now().UTC().Format(time.DateOnly)
			}
			e, err := fx.New(args[0], args[1], args[2], day, source)
			if err != nil {
				return usageError(cmd, err.Error())
			}
			return a.enterRates(cmd, []fx.Entry{e}, note)
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "who says so")
	cmd.Flags().StringVar(&day, "day", "", "for which day, such as 2026-11-28: today by default")
	cmd.Flags().StringVar(&note, "note", "", "what is to be remembered of it")
	_ = cmd.MarkFlagRequired("source")
	return cmd
}

func newListRates(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the last rate of each source between two currencies, those that begin later, and what orders lack", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return listRates(ctx, db, cmd.OutOrStdout())
			})
		},
	}
}

func listRates(ctx context.Context, db *pgxpool.Pool, out io.Writer) error {
	table := fx.NewTable()
	if err := table.Refresh(ctx, db); err != nil {
		return err
	}
	list := table.List(time.Now())
	if len(list) == 0 {
		fmt.Fprintln(out, "There are no rates.")
	}
	for _, r := range list {
		begins := ""
		if !r.Begins.IsZero() {
			begins = "\tfrom " + r.Begins.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "%s/%s\t%s\t%s\t%s%s\n", r.Base, r.Quote, r.Decimal(), r.Day.Format(time.DateOnly), r.Source, begins)
	}
	waiting, err := fx.ReadWaiting(ctx, db)
	for _, w := range waiting {
		fmt.Fprintln(out, text.English().RatesWaiting(w.Orders, w.First.Format(time.DateOnly), w.From, w.Last.Format(time.DateOnly), w.To))
	}
	return err
}
