package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/commission/engine"
	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/tracker/loader"
)

func newDeadLetters(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "deadletters",
		Short: "List, edit and retry records that the engine or the loader could not process",
		Long: `A record that the engine cannot process becomes a dead letter with the reason, and the partition continues. List these records, show
one, edit its bytes if they are wrong, and retry it: it is processed like any other record, so a second retry is harmless. The commands
under "deadletters loader" do the same for records that the loader could not turn into a row of the reports.`,
	}
	var all bool
	list := &cobra.Command{
		Use: "list", Short: "List open dead letters", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				letters, err := engine.Letters(ctx, db, all, 1000)
				if err != nil {
					return err
				}
				if len(letters) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "There are no dead letters.")
				}
				for _, l := range letters {
					fmt.Fprintf(cmd.OutOrStdout(), "%d %d\t%s\t%s\t%s\t%s\n", l.Partition, l.Offset, l.State, l.At.Format("2006-01-02 15:04:05"), l.Key, l.Error)
				}
				return nil
			})
		},
	}
	list.Flags().BoolVar(&all, "all", false, "also those that were settled")
	one := func(use, short string, extra int, work func(ctx context.Context, cmd *cobra.Command, db *pgxpool.Pool, partition int, offset int64, args []string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(2 + extra),
			RunE: func(cmd *cobra.Command, args []string) error {
				partition, err := strconv.Atoi(args[0])
				if err != nil {
					return usageError(cmd, "the partition must be a number")
				}
				offset, err := strconv.ParseInt(args[1], 10, 64)
				if err != nil {
					return usageError(cmd, "the offset must be a number")
				}
				return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
					return work(ctx, cmd, db, partition, offset, args[2:])
				})
			},
		}
	}
	root.AddCommand(list,
		one("show PARTITION OFFSET", "Print one with its bytes in hex", 0, showLetter),
		one("edit PARTITION OFFSET FILE", "Replace its bytes with those of a file (hex, - for standard input), checked before", 1, func(ctx context.Context, cmd *cobra.Command, db *pgxpool.Pool, partition int, offset int64, args []string) error {
			value, err := readHex(cmd, args[0])
			if err != nil {
				return err
			}
			return engine.EditLetter(ctx, db, partition, offset, value, a.cfg.Partitions)
		}),
		one("retry PARTITION OFFSET", "Give it to the engine again", 0, func(ctx context.Context, _ *cobra.Command, db *pgxpool.Pool, partition int, offset int64, _ []string) error {
			return engine.RetryLetter(ctx, db, partition, offset, author())
		}),
		one("discard PARTITION OFFSET NOTE", "Give it up, with a note why", 1, func(ctx context.Context, _ *cobra.Command, db *pgxpool.Pool, partition int, offset int64, args []string) error {
			return engine.DiscardLetter(ctx, db, partition, offset, args[0])
		}),
		newLoaderLetters(a))
	return root
}

// author names who gives the command, as far as this machine knows.
func author() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "operator"
}

func showLetter(ctx context.Context, cmd *cobra.Command, db *pgxpool.Pool, partition int, offset int64, _ []string) error {
	l, err := engine.ShowLetter(ctx, db, partition, offset)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "state   %s\nat      %s\nkey     %s\nerror   %s\nnote    %s\nvalue   %s\n", l.State, l.At, l.Key, l.Error, l.Note, hex.EncodeToString(l.Value))
	if e, err := event.Decode(l.Value); err == nil {
		fmt.Fprintf(out, "event   %v\n", e)
	}
	return nil
}

// readHex reads bytes written in hex from a file or standard input.
func readHex(cmd *cobra.Command, path string) ([]byte, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("opening the edited record: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, 2*event.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the edited record: %w", err)
	}
	value, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("reading the edited record as hex: %w", err)
	}
	return value, nil
}

// newLoaderLetters is the same for what could not become a row of ClickHouse. These letters go by a number of their own.
func newLoaderLetters(a *app) *cobra.Command {
	root := &cobra.Command{Use: "loader", Short: "The same for records that the loader could not make a row of"}
	var all bool
	list := &cobra.Command{
		Use: "list", Short: "List open dead letters by number", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				letters, err := loader.Letters(ctx, db, all, 1000)
				if err != nil {
					return err
				}
				if len(letters) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "There are no dead letters.")
				}
				for _, l := range letters {
					fmt.Fprintf(cmd.OutOrStdout(), "%d\t%s/%d %d\t%s\t%s\t%s\t%s\n", l.No, l.Topic, l.Partition, l.Offset, l.State,
						l.At.Format("2006-01-02 15:04:05"), l.Error, hex.EncodeToString(l.Value))
				}
				return nil
			})
		},
	}
	list.Flags().BoolVar(&all, "all", false, "also those that were settled")
	one := func(use, short string, extra int, work func(ctx context.Context, cmd *cobra.Command, db *pgxpool.Pool, no int64, args []string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(1 + extra),
			RunE: func(cmd *cobra.Command, args []string) error {
				no, err := strconv.ParseInt(args[0], 10, 64)
				if err != nil {
					return usageError(cmd, "NUMBER must be one that list prints")
				}
				return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
					return work(ctx, cmd, db, no, args[1:])
				})
			},
		}
	}
	root.AddCommand(list,
		one("edit NUMBER FILE", "Replace its bytes with those of a file (hex, - for standard input), checked before", 1, func(ctx context.Context, cmd *cobra.Command, db *pgxpool.Pool, no int64, args []string) error {
			value, err := readHex(cmd, args[0])
			if err != nil {
				return err
			}
			return loader.EditLetter(ctx, db, no, value)
		}),
		one("retry NUMBER", "Give it to the loader again", 0, func(ctx context.Context, _ *cobra.Command, db *pgxpool.Pool, no int64, _ []string) error {
			return loader.RetryLetter(ctx, db, no)
		}),
		one("discard NUMBER NOTE", "Give it up, with a note why", 1, func(ctx context.Context, _ *cobra.Command, db *pgxpool.Pool, no int64, args []string) error {
			return loader.DiscardLetter(ctx, db, no, args[0])
		}))
	return root
}

// newRebuildRollups repairs a rollup that a power cut left without rows.
func newRebuildRollups(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild-rollups",
		Short: "Make the sums of ClickHouse by quarter hour agree with its rows; no loader may run",
		Long: `When "verify" says that a rollup differs from the rows it sums up, as a power cut at the wrong moment can leave it: stop every
loader, run this, start them again. It is refused while a loader holds a partition or a batch is under way, whose loader ended
in the midst of it: the next one completes it within seconds. A loader that starts meanwhile waits until this has ended.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStores(cmd.Context(), need{postgres: true, clickhouse: true}, cmd.ErrOrStderr(), func(ctx context.Context, s stores) error {
				db, err := postgres.Open(ctx, s.postgres[postgres.Operator.Name()], postgres.Operator, 2)
				if err != nil {
					return err
				}
				defer db.Close()
				if err := checkReports(ctx, a.log, s); err != nil {
					return err
				}
				conn, err := clickhouse.Open(s.clickhouse[clickhouse.Operator.Name()], 1)
				if err != nil {
					return err
				}
				defer conn.Close()
				err = position.Alone(ctx, db, loader.Consumer, func(ctx context.Context) error { return loader.RebuildSettled(ctx, db, conn) })
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "The rollups agree with the rows.")
				return nil
			})
		},
	}
}
