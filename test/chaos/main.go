// Command chaos keeps the whole river under fire and proves that nothing was lost or counted twice: every step of the
// life of a click, with its engines, as processes that are killed, frozen and cut off. See package fire.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tributary/internal/embedded"
	"tributary/test/chaos/fire"
)

func main() {
	embedded.ChildMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: "+err.Error())
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "chaos",
		Short:         "Put the network under fire and prove that nothing was lost or counted twice",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRun(), newTotal())
	return root
}

func newRun() *cobra.Command {
	cfg := fire.Config{}
	kafka, summaries := "", ""
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run one plan of faults and judge what is left; exits 1 when something is wrong",
		Long: `Build the network with failpoints, start it on engines of its own, keep it under load, do what the plan says, let it come to
rest, and compare what every caller was told with what stands in ClickHouse and in the books. The plan "mixed" kills,
freezes and cuts off at random; its faults follow from the seed alone. A run that finds something keeps its folder.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				cfg.Seed = rand.Uint64N(1_000_000) //nolint:gosec // it is printed
			}
			if kafka != "embedded" && kafka != "apache" {
				return fmt.Errorf("--kafka is %q: it must be embedded or apache", kafka)
			}
			cfg.ApacheKafka = kafka == "apache"
			cfg.Out = cmd.OutOrStdout()
			return run(cmd.Context(), cfg, summaries)
		},
	}
	names := strings.Join(slices.Sorted(maps.Keys(fire.Plans())), ", ")
	cmd.Flags().Uint64Var(&cfg.Seed, "seed", 0, "decides faults and load (default a random one, printed)")
	cmd.Flags().DurationVar(&cfg.For, "for", 10*time.Minute, "how long the faults last")
	cmd.Flags().StringVar(&cfg.Plan, "plan", "mixed", "what goes wrong: "+names)
	cmd.Flags().IntVar(&cfg.Rate, "rate", 300, "requests a second; what is beyond 300 are visits by wrk")
	cmd.Flags().StringVar(&cfg.Data, "data", "", "folder of the run, which must not hold another (default a temporary one)")
	cmd.Flags().BoolVar(&cfg.Keep, "keep", false, "keep the folder of a run that found nothing, too")
	cmd.Flags().StringVar(&kafka, "kafka", "embedded", "embedded, or apache: one Apache Kafka node (needs java and mvn)")
	cmd.Flags().BoolVar(&cfg.Failpoints, "failpoints", true, "end and freeze processes at failpoints, too")
	cmd.Flags().DurationVar(&cfg.Rest, "rest", 5*time.Minute, "how long the network may take to come to rest")
	cmd.Flags().StringVar(&summaries, "summaries", "", "file to which this run's summary is added as a line, for \"chaos total\"")
	return cmd
}

// newTotal adds up the summaries of many runs.
func newTotal() *cobra.Command {
	return &cobra.Command{
		Use:   "total FILE...",
		Short: "Add up the summaries that runs have written with --summaries",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			total := &fire.Summary{Plan: "all runs", Counts: &fire.Counts{}}
			runs := 0
			for _, path := range args {
				file, err := os.Open(path)
				if err != nil {
					return fmt.Errorf("opening the summaries: %w", err)
				}
				defer file.Close()
				for lines := json.NewDecoder(file); ; runs++ {
					s := fire.Summary{Counts: &fire.Counts{}}
					if err := lines.Decode(&s); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						return fmt.Errorf("reading %s: %w", path, err)
					}
					total.Counts.Add(s.Counts)
					total.Took += s.Took
					total.Requests += s.Requests
					total.Stored.Add(s.Stored)
					total.Silent = max(total.Silent, s.Silent)
					total.Findings = append(total.Findings, s.Findings...)
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d runs: %d requests, %s in all\n", runs, total.Requests, total.Took.Round(time.Second))
			printCounts(cmd.OutOrStdout(), total)
			return nil
		},
	}
}

// keepSummary adds a summary as a line to a file.
func keepSummary(path string, s *fire.Summary) error {
	if path == "" || s == nil {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // it holds no secret
	if err == nil {
		err = errors.Join(json.NewEncoder(file).Encode(s), file.Close())
	}
	if err != nil {
		return fmt.Errorf("keeping the summary: %w", err)
	}
	return nil
}

// run runs a plan, prints the verdict and tidies up.
func run(ctx context.Context, cfg fire.Config, summaries string) error {
	var err error
	if cfg.Data == "" {
		if cfg.Data, err = os.MkdirTemp("", "tributary-chaos-"); err != nil {
			return fmt.Errorf("making the data folder: %w", err)
		}
	}
	summary, err := fire.Execute(ctx, cfg)
	if summary != nil {
		printSummary(cfg.Out, summary)
	}
	err = errors.Join(err, keepSummary(summaries, summary))
	if err == nil && len(summary.Findings) > 0 {
		err = errors.New("the network broke its promises")
	}
	if err != nil {
		flags := fmt.Sprintf(" --failpoints=%t --rest %s", cfg.Failpoints, cfg.Rest)
		if cfg.ApacheKafka {
			flags += " --kafka apache"
		}
		fmt.Fprintf(cfg.Out, "Journal, logs and stores are kept in %s. The same faults again:\n  go run ./test/chaos run --plan %s --seed %d --for %s --rate %d%s\n",
			cfg.Data, cfg.Plan, cfg.Seed, cfg.For, cfg.Rate, flags)
		return err
	}
	if cfg.Keep {
		return nil
	}
	if err := os.RemoveAll(cfg.Data); err != nil {
		return fmt.Errorf("removing the data folder: %w", err)
	}
	return nil
}

func printSummary(out io.Writer, s *fire.Summary) {
	fmt.Fprintf(out, "\n%s, seed %d, commit %s: %d requests, at rest %.0fs after the load, %.0fs in all\n",
		s.Plan, s.Seed, s.Commit, s.Requests, s.Rested.Seconds(), s.Took.Seconds())
	printCounts(out, s)
}

// printCounts prints what happened, what stands and what is wrong with it.
func printCounts(out io.Writer, s *fire.Summary) {
	for _, part := range []struct {
		name   string
		counts map[string]int
	}{
		{"answers", s.Answers},
		{"kills", s.Kills},
		{"ended at a failpoint", s.Failpoints},
		{"froze at a failpoint", s.Frozen},
		{"servers killed", s.Servers},
		{"answers swallowed", s.Swallowed},
		{"ended by themselves", s.Ended},
	} {
		fmt.Fprintf(out, "%s: %d\n", part.name, fire.Total(part.counts))
		for _, name := range slices.Sorted(maps.Keys(part.counts)) {
			fmt.Fprintf(out, "  %-28s %d\n", name, part.counts[name])
		}
	}
	fmt.Fprintf(out, "zombies: %d, of which %d held what another process had taken over; %d of those noticed\n", s.Zombies, s.Overtaken, s.Stale)
	fmt.Fprintf(out, "verified under fire: %d\n", s.Verified)
	fmt.Fprintf(out, "longest time without a report that was stored: %.1fs\n", s.Silent.Seconds())
	if s.Stored.Crowd > 0 {
		fmt.Fprintf(out, "stored of the crowd: %d clicks\n", s.Stored.Crowd)
	}
	fmt.Fprintf(out, "stored: %d clicks, %d reports, %d orders, %d of them credited (%d to several partners, %d by a code alone), %d months of partners, %d disputed, %d accounts; %d records more than once in Kafka\n",
		s.Stored.Clicks, s.Stored.Reports, s.Stored.Orders, s.Stored.Credited, s.Stored.Shared, s.Stored.Coded, s.Stored.Months, s.Stored.Disputed, s.Stored.Accounts, s.Stored.Resent)
	fmt.Fprintf(out, "of people: %d acts that count, %d withdrawn in time; of paths: %d orders were told of earlier clicks, %d that nobody knows; of clicks: %d days of partners counted\n",
		s.Stored.Reviewed, s.Stored.Undone, s.Stored.Told, s.Stored.Unknown, s.Stored.Counted)
	for _, f := range s.Findings {
		fmt.Fprintln(out, "WRONG", f)
	}
	fmt.Fprintf(out, "%d findings\n", len(s.Findings))
}
