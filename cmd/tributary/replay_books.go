package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tributary/commission/rerun"
	"tributary/internal/postgres"
)

func newReplayBooks(a *app) *cobra.Command {
	r := bookReplay{app: a}
	var from, to string
	cmd := &cobra.Command{
		Use:   "books",
		Short: "Rebuild the books from stored facts, and name every difference",
		Long: `Decide the orders that were placed in a range again, from their stored facts and what people decided alone, work out how customers
stood and what the periods come to, and compare that with what the books hold for them: identical, or each difference names the
merchant, the order, the line and the rule, or the period, the day and the band. Without --from and --to it is all orders. A period is
compared where all its sales are in the range. Nothing is written: it reads a snapshot beside a working network, with the log-in
tributary_reader. Exits 1 where anything differs, and 2 where a time is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			r.out, r.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			if r.asked.In, err = readRange(from, to); err != nil {
				return err
			}
			return a.withStores(cmd.Context(), need{postgres: true, logins: []string{postgres.Reader.Name()}}, r.progress, r.run)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first time of an order, like 2026-09-01 or 2026-09-01T00:00:00Z; left out, the first there is")
	cmd.Flags().StringVar(&to, "to", "", "the time before which orders were placed; left out, no end")
	cmd.Flags().BoolVar(&r.json, "json", false, "print one JSON object")
	return cmd
}

type bookReplay struct {
	*app
	asked         rerun.Replaying
	json          bool
	out, progress io.Writer
}

func (r bookReplay) run(ctx context.Context, at stores) (err error) {
	if r.asked.VerifyClick, err = r.clicksIfAny(); err != nil {
		return err
	}
	r.asked.Progress = progressBar(r.progress, "orders")
	var done *rerun.Replayed
	err = r.asReader(ctx, at, func(tx pgx.Tx) error {
		done, err = rerun.Replay(ctx, tx, r.asked)
		return err
	})
	if err != nil {
		return err
	}
	if r.json {
		err = json.NewEncoder(r.out).Encode(done)
	} else {
		printReplayed(r.out, done)
	}
	if err == nil && done.Different > 0 {
		return &findingError{findings: int(done.Different)}
	}
	return err
}

// printReplayed says what was found, for people.
func printReplayed(out io.Writer, r *rerun.Replayed) {
	for _, d := range r.Differences {
		fmt.Fprintln(out, d)
	}
	if more := r.Different - int64(len(r.Differences)); more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
	found := "identical"
	if r.Different > 0 {
		found = fmt.Sprintf("%d differences", r.Different)
	}
	fmt.Fprintf(out, "%d orders, %d periods, %d postings: %s", r.Orders, r.Periods, r.Postings, found)
	if r.Waiting > 0 {
		fmt.Fprintf(out, "; %d are about to be decided or settled again", r.Waiting)
	}
	if r.Partial > 0 {
		fmt.Fprintf(out, "; %d periods go beyond the range", r.Partial)
	}
	fmt.Fprintln(out)
}
