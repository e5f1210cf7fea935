package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission/audit"
	"tributary/commission/ledger"
	"tributary/internal/clickhouse"
	"tributary/internal/position"
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
compares ClickHouse with its manifest and its rollups, the reports with the ledger, and what the spool of this data folder keeps with
what is stored, unless a tracker works on it; spools that it has not seen are named. Exits 1 when a promise is broken, and names the
row. It may run beside a working network; what is merely on its way is named as such.`,
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
	if err := awaitPostgres(ctx, r.log, db.Ping); err != nil {
		return err
	}
	if err := r.checkKeys(ctx, db); err != nil {
		return err
	}
	loaded, err := loader.Check(ctx, db, conn)
	if err != nil {
		return err
	}
	verdict, err := audit.Verify(ctx, audit.Check{
		DB: db, VerifyClick: verifyClick(r.ring), Partitions: v.cfg.Partitions, Reports: conn, Heads: v.heads,
	})
	if err != nil {
		return err
	}
	stranded, err := registry.Outstanding(ctx, db, v.cfg.Partitions, registry.StrandedAfter)
	if err != nil {
		return err
	}
	b, err := v.bus(ctx, db, conn)
	if err != nil {
		return err
	}
	return v.print(verdict, loaded, stranded, b)
}

// bus is what is known of the way between the trackers and the stores.
type bus struct {
	// Kept is the spool of this data folder, if it has one that no tracker works on; Unseen are those that were not compared.
	Kept   *keptSpool `json:"kept_spool,omitempty"`
	Unseen []string   `json:"unseen_spools"`
	// Forged counts the records that were found in Kafka and are not this network's.
	Forged int64 `json:"forged"`
}

// bus compares the spool of this data folder with what is stored, and names those that are elsewhere.
func (v verifier) bus(ctx context.Context, db *pgxpool.Pool, conn clickhouse.Conn) (b bus, err error) {
	kept, why := v.compareSpool(ctx, db, conn, v.cfg.Data)
	if ctx.Err() != nil {
		return b, fmt.Errorf("comparing the spool: %w", why)
	}
	if why == nil {
		b.Kept = &kept
	} else if !errors.Is(why, fs.ErrNotExist) {
		v.log.Warn("the spool of this data folder is not compared", "error", why)
	}
	b.Unseen = []string{}
	known, err := registry.Spools(ctx, db)
	if err != nil {
		return b, err
	}
	for _, id := range known {
		if b.Kept == nil || strings.ReplaceAll(b.Kept.Spool, "-", "") != id {
			b.Unseen = append(b.Unseen, id)
		}
	}
	b.Forged, err = position.CountForged(ctx, db)
	return b, err
}

// print says what was found, for people.
func (b bus) print(out io.Writer) {
	if b.Kept != nil {
		for _, f := range b.Kept.Found {
			fmt.Fprintln(out, f)
		}
		fmt.Fprintln(out, *b.Kept)
	}
	for _, id := range b.Unseen {
		fmt.Fprintf(out, "spool %s was not compared with what is stored: run tributary spool verify on a copy of it, or with its tracker stopped\n", id)
	}
	if b.Forged > 0 {
		fmt.Fprintf(out, "%d records in Kafka were not this network's and were passed over: see tributary forged list\n", b.Forged)
	}
}

func (v verifier) print(verdict *audit.Verdict, loaded []loader.Finding, stranded []registry.Lane, b bus) error {
	broken := len(loaded) + len(stranded)
	if b.Kept != nil {
		broken += b.Kept.Vanished
	}
	for _, f := range verdict.Findings {
		if f.Severity == audit.Broken {
			broken++
		}
	}
	if v.json {
		if verdict.Findings == nil {
			verdict.Findings = []audit.Finding{}
		}
		if loaded == nil {
			loaded = []loader.Finding{}
		}
		if err := json.NewEncoder(v.out).Encode(struct { //nolint:musttag // the engine's verdict is tagged
			Broken int `json:"broken"`
			*audit.Verdict
			ClickHouse []loader.Finding `json:"clickhouse"`
			Spools     []registry.Lane  `json:"spools"`
			bus
		}{broken, verdict, loaded, stranded, b}); err != nil {
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
		b.print(v.out)
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
