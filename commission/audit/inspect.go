package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/commission/fx"
	"tributary/commission/ledger"
	"tributary/partners"
)

// Inspector goes over the books every few minutes, in a time that hardly grows with them: the sums of all accounts, what
// was added to the hash chain since the last time, the newest orders and a random page of the others decided again, and
// the end of the outbox. It finds what Verify finds, sooner and not all of it.
type Inspector struct {
	check    Check
	programs *partners.Programs
	rates    *fx.Table
	log      *slog.Logger
	metrics  *booksMetrics
	// head is up to where the chain was verified.
	head ledger.Head
}

// NewInspector makes an inspector; Reports, Heads and Limit of check are not used. registry may be nil.
func NewInspector(check Check, log *slog.Logger, registry prometheus.Registerer) *Inspector {
	check.fill(time.Time{})
	check.Limit = inspectedFindings
	return &Inspector{check: check, programs: partners.NewPrograms(), rates: fx.NewTable(), log: log, metrics: newBooksMetrics(registry)}
}

const (
	// inspectedFindings is how many findings of one inspection are logged.
	inspectedFindings = 20
	// inspectedFirst is when the first inspection is made: an engine that starts has orders to catch up with.
	inspectedFirst = 20 * time.Second
	// inspectLimit bounds one inspection.
	inspectLimit = 90 * time.Second
	// InspectedEvents is how many of the last ledger events of a lane an inspection looks for in the outbox, which holds
	// those of two days.
	InspectedEvents = 20_000
)

// Run inspects every so often until ctx ends, for the first time soon. What it finds is logged as an error, and counted.
func (i *Inspector) Run(ctx context.Context, every time.Duration) error {
	for wait := min(every, inspectedFirst); ; wait = every {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		verdict, err := i.Inspect(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it is the end
		case err != nil:
			i.log.Warn("the books cannot be inspected; trying again", "error", err)
		default:
			i.report(verdict)
		}
	}
}

// report logs what an inspection found.
func (i *Inspector) report(verdict *Verdict) {
	for _, f := range verdict.Findings {
		if f.Severity == Broken {
			i.log.Error("the books are broken: pay nobody, and run tributary verify", "finding", f.String())
		}
	}
}

// Inspect goes over the books once, in one snapshot.
func (i *Inspector) Inspect(ctx context.Context) (*Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectLimit)
	defer cancel()
	began := time.Now()
	v := &Verification{Check: i.check, programs: i.programs, rates: i.rates, recent: InspectedEvents}
	head := i.head
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, i.check.DB, options, func(tx pgx.Tx) (err error) {
		v.Tx = tx
		head, err = v.inspect(ctx, head)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("inspecting the books: %w", err)
	}
	if !v.verdict.IsBroken() {
		i.head = head // a broken chain is found again
	}
	v.verdict.Head, v.verdict.Took = head.String(), time.Since(began)
	i.metrics.inspected(&v.verdict, head)
	return &v.verdict, nil
}

func (v *Verification) inspect(ctx context.Context, since ledger.Head) (ledger.Head, error) {
	var newest int64
	if err := v.Tx.QueryRow(ctx, `SELECT coalesce(max(no), 0) FROM orders`).Scan(&newest); err != nil {
		return since, fmt.Errorf("looking for the newest order: %w", err)
	}
	if err := v.refresh(ctx); err != nil {
		return since, err
	}
	older := max(newest-pageSize, 0)
	pages := []int64{older}
	if older > 0 {
		pages = append(pages, rand.Int64N(older)) //nolint:gosec // chance, not a secret
	}
	for _, after := range pages {
		page, err := v.page(ctx, after)
		if err != nil {
			return since, fmt.Errorf("checking orders after %d: %w", after, err)
		}
		for _, o := range page {
			v.order(o)
		}
	}
	for _, check := range []func(context.Context) error{v.trialBalance, v.positions} {
		if err := check(ctx); err != nil {
			return since, err
		}
	}
	head, err := ledger.VerifyChainSince(ctx, v.Tx, since)
	if broken, ok := errors.AsType[*ledger.BreakError](err); ok {
		v.Find(chainFinding(broken))
		err = nil
	}
	return head, err
}
