package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tributary/commission"
	"tributary/commission/rerun"
	"tributary/commission/whatif"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/tracker/clickid"
)

func newSimulate(a *app) *cobra.Command {
	s := simulation{app: a}
	var from, to string
	var id int64
	cmd := &cobra.Command{
		Use:   "simulate --program N --terms FILE --from TIME --to TIME",
		Short: "Say what would have been earned under other terms",
		Long: `Decide the orders of a program's merchant again that were placed from one time on and before another, under the terms that stand and
under those of a file, and print what the program would have paid: in all, for each partner and rule, with the fifty orders that change
most and the outcomes that change. The file is one document, or versions as lines of JSON with from and terms, as of "tributary decide";
without one the terms that stand are decided again. Facts of partners, coupons and rates are as they stand. A period counts the orders
of the range alone: give whole ones. Nothing is written: it reads with the log-in tributary_reader. The exit code is 2 where the file or
a time is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			s.out, s.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			s.asked.Program = program.ProgramID(id)
			if s.asked.In, err = readRange(from, to); err != nil {
				return err
			}
			if s.file != "" {
				if s.asked.Terms, err = readFile(s.file, cmd.InOrStdin(), whatif.ReadTerms); err != nil {
					return blame(s.file, err)
				}
			}
			return a.withStores(cmd.Context(), need{postgres: true, logins: []string{postgres.Reader.Name()}}, s.progress, s.run)
		},
	}
	cmd.Flags().Int64Var(&id, "program", 0, "the number of the program")
	cmd.Flags().StringVar(&s.file, "terms", "", "a document of terms, or its versions as lines of JSON with from and terms; - for standard input")
	cmd.Flags().StringVar(&from, "from", "", "the first time of an order, like 2026-09-01 or 2026-09-01T00:00:00Z")
	cmd.Flags().StringVar(&to, "to", "", "the time before which orders were placed")
	cmd.Flags().BoolVar(&s.json, "json", false, "print one JSON object")
	for _, needed := range []string{"program", "from", "to"} {
		if err := cmd.MarkFlagRequired(needed); err != nil {
			panic(err)
		}
	}
	return cmd
}

// readRange reads the two ends of a range; an empty one has no end there.
func readRange(from, to string) (rerun.Range, error) {
	in := rerun.Always()
	for _, end := range []struct {
		flag, text string
		at         *time.Time
	}{{"from", from, &in.From}, {"to", to, &in.To}} {
		if end.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, end.text)
		if err != nil {
			at, err = time.Parse(time.DateOnly, end.text)
		}
		if err != nil {
			return in, &inputError{fmt.Errorf("--%s %q is not a time: write it like 2026-09-01 or 2026-09-01T00:00:00Z", end.flag, end.text)}
		}
		*end.at = at.UTC()
	}
	if !in.From.Before(in.To) {
		return in, &inputError{fmt.Errorf("--to %s is not after --from %s", to, from)}
	}
	return in, nil
}

type simulation struct {
	*app
	asked         rerun.Asked
	file          string
	json          bool
	out, progress io.Writer
}

// asReader runs work in a snapshot, as the log-in that sees every row and changes none.
func (a *app) asReader(ctx context.Context, s stores, work func(tx pgx.Tx) error) error {
	db, err := postgres.Open(ctx, s.postgres[postgres.Reader.Name()], postgres.Reader, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := awaitPostgres(ctx, a.log, db.Ping); err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, work)
}

// clicksIfAny verifies click ids by the keys that are here; nil where none are.
func (a *app) clicksIfAny() (func(id string) commission.Click, error) {
	keys, err := clickKeys.ifAny(&a.cfg)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	ring, err := clickid.NewRing(keys)
	if err != nil {
		return nil, err
	}
	return verifyClick(ring), nil
}

// simulateGC is how much more memory than is in use a simulation takes before it is collected, in percent: it makes much anew, keeps
// next to nothing, and ends soon.
const simulateGC = 400

func (s simulation) run(ctx context.Context, at stores) (err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(simulateGC))
	if s.asked.VerifyClick, err = s.clicksIfAny(); err != nil {
		return err
	}
	s.asked.Progress = progressBar(s.progress, "orders")
	return s.asReader(ctx, at, func(tx pgx.Tx) error {
		result, err := rerun.Simulate(ctx, tx, s.asked)
		if err != nil {
			return err
		}
		if s.json {
			return json.NewEncoder(s.out).Encode(result)
		}
		printSimulation(s.out, result)
		return nil
	})
}

// printSimulation writes a simulation as tables.
func printSimulation(out io.Writer, r *rerun.Result) {
	fmt.Fprintf(out, "%d orders, %d credited now and %d then, %d changed\n", r.Orders, r.Credited.Old, r.Credited.New, r.Changed)
	row := func(name, unit string, old, other int64) {
		fmt.Fprintf(out, "%-40s %18s %18s %18s\n", name, money.Format(old, unit), money.Format(other, unit), money.Format(other-old, unit))
	}
	head := func(title string) { fmt.Fprintf(out, "\n%-40s %18s %18s %18s\n", title, "now", "then", "difference") }
	head("total")
	for _, t := range r.Totals {
		row("earned", t.Unit, t.Old.Net(), t.New.Net())
		row("of which by periods", t.Unit, t.Old.Periods, t.New.Periods)
		row("network fee", t.Unit, t.Old.Fee, t.New.Fee)
	}
	head("partner")
	for _, p := range r.Partners {
		row(fmt.Sprintf("%s %d", p.Role, p.Partner), p.Unit, p.Old.Net(), p.New.Net())
	}
	head("rule")
	for _, rule := range r.Rules {
		name := fmt.Sprintf("%q", rule.Rule)
		if rule.Period {
			name += " by period"
		}
		row(name, rule.Unit, rule.Old, rule.New)
	}
	if len(r.Most) > 0 {
		head("orders that change most")
	}
	for _, o := range r.Most {
		name := o.Order
		if o.OldOutcome != o.NewOutcome {
			name += fmt.Sprintf(" (%s, then %s)", o.OldOutcome, o.NewOutcome)
		}
		row(name, o.Unit, o.Old, o.New)
	}
	if len(r.Outcomes) > 0 {
		fmt.Fprintf(out, "\noutcomes that change\n")
	}
	for _, o := range r.Outcomes {
		fmt.Fprintf(out, "%d orders: %s, then %s\n", o.Orders, o.Old, o.New)
	}
}
