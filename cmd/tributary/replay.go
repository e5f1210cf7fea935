package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tributary/demo/retail"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/tracker"
)

func newReplay(a *app) *cobra.Command {
	var o replayOptions
	replay := &cobra.Command{Use: "replay", Short: "Send recorded history through the pipeline, or rebuild the books from it"}
	file := &cobra.Command{
		Use:   "retail FILE",
		Short: "Replay the orders of a real web shop and print what everyone earned",
		Long: `Replay the UCI Online Retail file (CSV, plain or gzipped): its orders and cancellations, with fifty partners and their
clicks placed by a fixed rule, go through spool, Kafka, engine and loader with their historic times. Prints the books as of
2011-12-10 00:00:00 UTC. The books are the same whatever order the events come in and how often: try --shuffle and --twice.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file, o.out, o.progress = args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
			o.order.Shuffled = cmd.Flags().Changed("shuffle")
			return a.withStores(cmd.Context(), everything(allLogins()...), os.Stderr, func(ctx context.Context, s stores) error {
				if err := a.prepare(ctx, s, everything(allLogins()...)); err != nil {
					return err
				}
				r, err := newRiver(&a.cfg, a.log, s, clickKeys, recordKeys)
				if err != nil {
					return err
				}
				defer r.close()
				return r.replayRetail(ctx, o)
			})
		},
	}
	file.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	file.Flags().Uint64Var(&o.order.Seed, "shuffle", 0, "send the events in a random order drawn from this seed")
	file.Flags().BoolVar(&o.order.Twice, "twice", false, "send every event twice")
	replay.AddCommand(file, newReplayBooks(a))
	return replay
}

type replayOptions struct {
	file     string
	json     bool
	order    retail.Order
	out      io.Writer
	progress io.Writer
}

// replayRetail runs the river for as long as it takes to send the file and for everything to arrive.
func (r *river) replayRetail(ctx context.Context, o replayOptions) error {
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(o.progress, "%5.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	data, err := retail.Read(o.file)
	if err != nil {
		return err
	}
	orders, clicks, refunds := data.Counts()
	say("read %d orders, %d clicks and %d refunds", orders, clicks, refunds)
	db, err := r.open(ctx, postgres.Operator, 4)
	if err != nil {
		return err
	}
	defer db.Close()
	catalogue, err := r.catalogue(ctx, db)
	if err != nil {
		return err
	}
	in, err := r.intake(catalogue) // before anything is made: on the folder of a running demo the replay ends here
	if err != nil {
		return err
	}
	defer in.spool.Close()
	shop, err := retail.SetUp(ctx, db, catalogue)
	if err != nil {
		return err
	}
	source, err := tracker.NewIntake(in.config)
	if err != nil {
		return fmt.Errorf("making the intake: %w", err)
	}
	var answer *retail.Answer
	err = beside(ctx, func(ctx context.Context) error {
		sent, err := shop.Send(ctx, source.Bulk(), r.ring, data, o.order)
		if err != nil {
			return err
		}
		say("sent %d events; they are on disk", sent)
		q := &quiet{db: db, kafka: r.kafka, partitions: r.cfg.Partitions, intake: in}
		if err := q.await(ctx, func(left string) { say("waiting for %s", left) }); err != nil {
			return err
		}
		say("nothing is in flight")
		answer, err = shop.Answer(ctx, db, data)
		return err
	}, in.spool.Run, in.relay.Run, r.engine, r.loader)
	if err != nil {
		return err
	}
	return printRetail(answer, o)
}

// printRetail writes the answer as JSON or as a table.
func printRetail(a *retail.Answer, o replayOptions) error {
	if o.json {
		out := json.NewEncoder(o.out)
		return out.Encode(a)
	}
	pounds := func(pence int64) string { return money.Format(pence, "GBP") }
	fmt.Fprintf(o.out, "%d orders, %d lines, %s sold, %s refunded; %d orders earn nobody anything; %d pieces matched no order\n\n",
		a.Orders, a.Lines, pounds(a.Revenue), pounds(a.Refunded), a.Unattributed, a.UnmatchedPieces)
	fmt.Fprintf(o.out, "%-8s %8s %8s %18s %18s %18s %18s %18s\n", "partner", "orders", "lines", "gross", "net", "fee", "pending", "payable")
	line := func(name string, r retail.Row) {
		fmt.Fprintf(o.out, "%-8s %8d %8d %18s %18s %18s %18s %18s\n", name, r.Orders, r.Lines, pounds(r.Gross), pounds(r.Net), pounds(r.Fee), pounds(r.Pending), pounds(r.Payable))
	}
	for _, name := range retail.PartnerNames() {
		line(name, a.Partners[name])
	}
	line("total", a.Total)
	return nil
}
