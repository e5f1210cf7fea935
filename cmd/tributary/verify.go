package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tributary/commission/engine"
	"tributary/commission/ledger"
	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/tracker/loader"
	"tributary/tracker/registry"
)

func newVerify(a *app) *cobra.Command {
	var asJSON bool
	var heads []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Derive the books from the events again and compare everything with everything",
		Long: `Verify derives every order, commission and posting from the stored events again, adds up the books, walks the hash chain,
compares ClickHouse with its manifest and its rollups, and the reports with the ledger. Exits 1 when a promise is broken, and
names the row. It may run beside a working network; what is merely on its way is named as such.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := verifier{app: a, out: cmd.OutOrStdout(), json: asJSON}
			for _, text := range heads {
				head, err := ledger.ParseHead(text)
				if err != nil {
					return err
				}
				v.heads = append(v.heads, head)
			}
			return a.withStores(cmd.Context(), need{postgres: true, clickhouse: true}, cmd.ErrOrStderr(), v.run)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().StringArrayVar(&heads, "chain-head", nil, "a head of the hash chain as it was once logged; the chain must still contain it")
	return cmd
}

type verifier struct {
	*app
	out   io.Writer
	json  bool
	heads []ledger.Head
}

func (v verifier) run(ctx context.Context, s stores) error {
	r, err := newRiver(&v.cfg, v.log, s, clickKeys)
	if err != nil {
		return err
	}
	defer r.close()
	db, err := r.open(ctx, postgres.Operator, 4)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := checkReports(ctx, v.log, s); err != nil {
		return err
	}
	conn, err := clickhouse.Open(s.clickhouse[clickhouse.Operator.Name()], 2)
	if err != nil {
		return err
	}
	defer conn.Close()
	catalogue, err := r.catalogue(ctx, db)
	if err != nil {
		return err
	}
	if err := r.checkKeys(ctx, db); err != nil {
		return err
	}
	loaded, err := loader.Check(ctx, db, conn)
	if err != nil {
		return err
	}
	verdict, err := engine.Verify(ctx, engine.Check{
		DB: db, Catalogue: catalogue, VerifyClick: verifyClick(r.ring), Partitions: v.cfg.Partitions, Reports: conn, Heads: v.heads,
	})
	if err != nil {
		return err
	}
	stranded, err := registry.Outstanding(ctx, db, v.cfg.Partitions, registry.StrandedAfter)
	if err != nil {
		return err
	}
	return v.print(verdict, loaded, stranded)
}

func (v verifier) print(verdict *engine.Verdict, loaded []loader.Finding, stranded []registry.Lane) error {
	broken := len(loaded) + len(stranded)
	for _, f := range verdict.Findings {
		if f.Severity == engine.Broken {
			broken++
		}
	}
	if v.json {
		if verdict.Findings == nil {
			verdict.Findings = []engine.Finding{}
		}
		if loaded == nil {
			loaded = []loader.Finding{}
		}
		if err := json.NewEncoder(v.out).Encode(struct { //nolint:musttag // the engine's verdict is tagged
			Broken int `json:"broken"`
			*engine.Verdict
			ClickHouse []loader.Finding `json:"clickhouse"`
			Spools     []registry.Lane  `json:"spools"`
		}{broken, verdict, loaded, stranded}); err != nil {
			return fmt.Errorf("printing the verdict: %w", err)
		}
	} else {
		for _, f := range verdict.Findings {
			fmt.Fprintln(v.out, f)
		}
		for _, f := range loaded {
			fmt.Fprintln(v.out, f)
		}
		for _, lane := range stranded {
			fmt.Fprintln(v.out, lane)
		}
		if verdict.More > 0 {
			fmt.Fprintf(v.out, "and %d more\n", verdict.More)
		}
		fmt.Fprintf(v.out, "%d orders of %d events, %d postings, chain head %s: %d broken (%s)\n",
			verdict.Orders, verdict.Events, verdict.Postings, verdict.Head, broken, verdict.Took.Round(1_000_000))
	}
	if broken > 0 {
		return &findingError{findings: broken}
	}
	return nil
}
