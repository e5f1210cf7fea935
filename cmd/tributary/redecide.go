package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tributary/commission/audit"
	"tributary/internal/postgres"
)

// newRedecide brings stored records into the present form.
func newRedecide(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "redecide",
		Short: "Write the records of decisions that an earlier version made in the present form",
		Long: `A record of a decision stays in the form in which it was written, and every later version reads it. Redecide decides such
orders again and writes their records in the present form. Where this version would decide otherwise it leaves the record as it
is, and names the order, the line and the rule: then exits 1. It may run beside a working network, and be run again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := redecision{app: a, out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr()}
			return a.withStores(cmd.Context(), need{postgres: true}, r.progress, r.run)
		},
	}
}

type redecision struct {
	*app
	out, progress io.Writer
}

func (d redecision) run(ctx context.Context, s stores) error {
	r, err := newRiver(&d.cfg, d.log, s)
	if err != nil {
		return err
	}
	defer r.close()
	db, err := r.open(ctx, postgres.Operator, 4)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := awaitPostgres(ctx, r.log, db.Ping); err != nil {
		return err
	}
	if err := r.checkKeys(ctx, db); err != nil {
		return err
	}
	done, err := audit.Redecide(ctx, audit.Check{
		DB: db, VerifyClick: verifyClick(r.ring), Partitions: d.cfg.Partitions,
	}, progressBar(d.progress, "orders"))
	if err != nil {
		return err
	}
	for _, f := range done.Refused {
		fmt.Fprintln(d.out, f)
	}
	if done.More > 0 {
		fmt.Fprintf(d.out, "and %d more\n", done.More)
	}
	fmt.Fprintf(d.out, "%d orders, %d records rewritten, %d contradictions\n", done.Orders, done.Rewritten, done.Broken)
	if done.Broken > 0 {
		return &findingError{findings: done.Broken}
	}
	return nil
}

// progressBar draws how far long work has come: in place on a terminal, else a line for each tenth.
func progressBar(w io.Writer, what string) func(done, total int64) {
	const width = 30
	f, ok := w.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	shown := int64(-1)
	return func(done, total int64) {
		part := int64(10)
		if total > 0 {
			part = 10 * done / total
		}
		switch {
		case terminal:
			full := int(part * width / 10)
			fmt.Fprintf(w, "\r[%s%s] %d of %d %s", strings.Repeat("#", full), strings.Repeat(".", width-full), done, total, what)
			if part == 10 && shown != 10 {
				fmt.Fprintln(w)
			}
		case part > shown:
			fmt.Fprintf(w, "%d of %d %s\n", done, total, what)
		}
		shown = part
	}
}
