package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/text"
	"tributary/partners/access"
)

// newReviews are the commands that say something about an order, one for each verb, and the one that withdraws it.
func newReviews(a *app) []*cobra.Command {
	codes := make([]string, 0, len(commission.DeclineCodes()))
	for _, code := range commission.DeclineCodes() {
		codes = append(codes, fmt.Sprintf("  %-16s %s", code, text.English().DeclineCode(code)))
	}
	verbs := []review{
		{"hold-order", commission.Hold, "Keep an order's commissions back", `What is pending or payable is held until release-order, also when the hold ends meanwhile.`},
		{"release-order", commission.Unhold, "Let go what hold-order keeps back", `It is pending again, or payable if the hold has ended.`},
		{"decline-order", commission.Decline, "Refuse an order's commissions for good", "What is earned is taken back. --code says why, and the partner sees it:\n\n" + strings.Join(codes, "\n")},
		{"extend-order", commission.Extend, "Extend an order's hold", `Once an order, before its hold has ended, and by no more than the terms allow (extension); --until left out, by all of that.`},
		{"approve-order", commission.Approve, "End an order's hold at once", `What is pending becomes payable.`},
		{"replace-report", commission.Replace, "Have another report of an order stand in place of the one that does", `It takes effect once the merchant has asked for the same report, on the order's page. The first report can be asked for again in the same way.
--report is the content hash of the one that is to stand: operators see it on the order's page, beside both reports.`},
		{"void-order", commission.Void, "Declare that an order never was", `As when a shop reported a trial by mistake: nobody earns on the order, nothing counts it, and what was posted is taken back at its own
times, also what was paid, which is then a debt of the partner's. What came back of a real order is a refund.`},
	}
	commands := []*cobra.Command{newUndoReview(a)}
	for _, v := range verbs {
		commands = append(commands, v.command(a))
	}
	return commands
}

// review is a command that says something about an order.
type review struct {
	use         string
	verb        commission.Verb
	short, long string
}

func (v review) command(a *app) *cobra.Command {
	said := commission.Reviewed{Verb: v.verb}
	var test, clicks bool
	var until, note string
	cmd := &cobra.Command{
		Use:   v.use,
		Short: v.short,
		Long: v.long + fmt.Sprintf(`

It takes effect after ten seconds. The number that is printed withdraws it until then: tributary admin undo-review NUMBER --note "...".

  tributary admin %s --merchant 1 --order A-1001 --note "asked for by the shop"%s`, v.use, v.example()),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			switch {
			case test:
				said.Keys = event.Trial
			case clicks:
				said.Keys = event.Counted
			}
			if until != "" {
				if said.Until, err = time.Parse(time.RFC3339, until); err != nil {
					return usageError(cmd, fmt.Sprintf("--until %q is not a time such as 2026-11-01T00:00:00Z", until))
				}
			}
			var no int64
			err = a.actAsNetwork(cmd, func(ctx context.Context, tx pgx.Tx) (err error) {
				no, err = engine.ReviewOrder(ctx, tx, said, author(), note)
				return err
			})
			return printID(cmd, no, err)
		},
	}
	cmd.Flags().Int64Var(&said.Merchant, "merchant", 0, "number of the merchant, as create-merchant printed it")
	cmd.Flags().StringVar(&said.Order, "order", "", "the merchant's id of the order")
	cmd.Flags().BoolVar(&test, "test", false, "it is a test order")
	cmd.Flags().BoolVar(&clicks, "clicks", false, "it is the counted clicks of a day, such as clicks/2026-09-07/2/5")
	cmd.MarkFlagsMutuallyExclusive("test", "clicks")
	cmd.Flags().StringVar(&note, "note", "", "why, for the record")
	required := []string{"merchant", "order", "note"}
	switch v.verb {
	case commission.Extend:
		cmd.Flags().StringVar(&until, "until", "", "the new end of the hold, RFC 3339 with a zone")
	case commission.Replace:
		cmd.Flags().StringVar(&said.Report, "report", "", "content hash of the report that is to stand")
		required = append(required, "report")
	case commission.Hold, commission.Unhold, commission.Decline, commission.Approve:
		cmd.Flags().Int64Var(&said.Partner, "partner", 0, "number of the partner whose share it is about; left out, the order")
	case commission.Void:
	}
	if v.verb == commission.Decline {
		cmd.Flags().StringVar(&said.Code, "code", "", "why, one of the codes above")
		required = append(required, "code")
	}
	for _, name := range required {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// example is what the command's own flags add to the example.
func (v review) example() string {
	switch v.verb {
	case commission.Decline:
		return " --code fraud --partner 17"
	case commission.Extend:
		return " --until 2026-12-24T00:00:00Z"
	case commission.Replace:
		return " --report 0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	default:
		return ""
	}
}

func newUndoReview(a *app) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "undo-review NUMBER",
		Short: "Withdraw what was said about an order in the last ten seconds",
		Long: `Withdraw what hold-order and its like have said about an order, before it takes effect. NUMBER is what they printed. What the engine
has taken stays, and the command says so.

  tributary admin undo-review 4711 --note "the wrong order"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			no, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError(cmd, fmt.Sprintf("NUMBER %q is not a number", args[0]))
			}
			return a.actAsNetwork(cmd, func(ctx context.Context, tx pgx.Tx) error { return engine.UndoReview(ctx, tx, no, author(), note) })
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for the record")
	_ = cmd.MarkFlagRequired("note")
	return cmd
}

// actAsNetwork runs work in a transaction of the operator's that acts for the network.
func (a *app) actAsNetwork(cmd *cobra.Command, work func(ctx context.Context, tx pgx.Tx) error) error {
	return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
		return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
			if err := access.ActAsNetwork(ctx, tx); err != nil {
				return err
			}
			return work(ctx, tx)
		})
	})
}
