package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/outbox"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/tracker/loader"
	"tributary/tracker/registry"
	"tributary/tracker/relay"
	"tributary/tracker/spool"
)

// withPostgres runs work in a role of the database.
func (a *app) withPostgres(cmd *cobra.Command, role postgres.Role, work func(ctx context.Context, db *pgxpool.Pool) error) error {
	return a.withStores(cmd.Context(), need{postgres: true, logins: []string{role.Name()}}, cmd.ErrOrStderr(), func(ctx context.Context, s stores) error {
		db, err := postgres.Open(ctx, s.postgres[role.Name()], role, 2)
		if err != nil {
			return err
		}
		defer db.Close()
		return work(ctx, db)
	})
}

func newSpool(a *app) *cobra.Command {
	root := &cobra.Command{Use: "spool", Short: "Check, repair, drain or forget a spool, or send kept records again"}
	root.AddCommand(&cobra.Command{
		Use:   "salvage [DIR]",
		Short: "Keep every record of a damaged spool that verifies, and set the damaged files aside",
		Long:  "Stop the tracker first. Rewrites a spool that the tracker refuses to open: every record that verifies is kept, damaged segments are moved aside, and what was lost is listed by lane and sequence.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.Join(a.cfg.Data, "spool")
			if len(args) == 1 {
				dir = args[0]
			}
			_, err := spool.Salvage(dir, cmd.OutOrStdout())
			return err
		},
	}, &cobra.Command{
		Use:   "rewind LANE SEQUENCE",
		Short: "Send a lane again from a sequence on, to refill a Kafka that lost records",
		Long:  "Stop the tracker first. At its next start the relay sends the lane again from SEQUENCE on, out of the kept segments; consumers drop what they have.",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			lane, err := strconv.Atoi(args[0])
			if err != nil {
				return usageError(cmd, "the lane must be a number")
			}
			seq, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil {
				return usageError(cmd, "the sequence must be a number")
			}
			if err := spool.Idle(filepath.Join(a.cfg.Data, "spool")); err != nil {
				return fmt.Errorf("stop the tracker first: %w", err)
			}
			return relay.Rewind(filepath.Join(a.cfg.Data, "relay.cursor"), lane, seq)
		},
	}, &cobra.Command{
		Use:   "forget SPOOL",
		Short: "Give up a spool whose disk is lost, so that verify asks for its records no more",
		Long: `Each tracker writes down in PostgreSQL how much is on its disk. When a disk is lost for good, the records on it that were not
sent are lost with it, and "tributary verify" names them until the spool is forgotten. SPOOL is its name in hex.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return registry.Forget(ctx, db, args[0])
			})
		},
	}, newDrain(a), newSpoolVerify(a))
	return root
}

func newResume(a *app) *cobra.Command {
	var remedy string
	cmd := &cobra.Command{
		Use:   "resume CONSUMER TOPIC PARTITION",
		Short: "Let a partition that is halted go on",
		Long: `A partition that meets a gap is halted until an operator says how to continue. CONSUMER is engine or loader, TOPIC is touches,
orders or ledger. Remedies:
  retry        the cause was elsewhere and is gone; read on under the same rule
  refilled     the missing records are being sent again ("tributary spool rewind")
  accept-loss  give the missing records up
  from-first   the topic was recreated, or its retention passed the position`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			how, known := map[string]position.Remedy{
				"retry": position.Retry, "refilled": position.Refilled, "accept-loss": position.AcceptLoss, "from-first": position.FromFirst,
			}[remedy]
			partition, err := strconv.Atoi(args[2])
			if err != nil || !known {
				return usageError(cmd, "PARTITION must be a number and --remedy one of those named")
			}
			return a.withStores(cmd.Context(), need{postgres: true, kafka: true}, cmd.ErrOrStderr(), func(ctx context.Context, s stores) error {
				kafka, err := stream.Open(s.kafka, a.log)
				if err != nil {
					return err
				}
				defer kafka.Close()
				first, _, err := kafka.Offsets(ctx, args[1], partition)
				if err != nil {
					return err
				}
				db, err := postgres.Open(ctx, s.postgres[postgres.Operator.Name()], postgres.Operator, 1)
				if err != nil {
					return err
				}
				defer db.Close()
				return position.Resume(ctx, db, args[0], args[1], partition, how, first)
			})
		},
	}
	cmd.Flags().StringVar(&remedy, "remedy", "retry", "retry, refilled, accept-loss or from-first")
	return cmd
}

func newOutbox(a *app) *cobra.Command {
	root := &cobra.Command{Use: "outbox", Short: "Send again what left PostgreSQL for Kafka"}
	topic := event.Decisions
	rewind := &cobra.Command{
		Use:   "rewind LANE SEQUENCE",
		Short: "Send a lane of the outbox again from a sequence on, to refill a Kafka that lost records",
		Long: `The outbox keeps what was sent for two days: the engine's ledger events, and what loaders say of orders (visitors' paths, counted clicks).
When a consumer finds some of it missing, set the lane (the number of the partition) back to the first that is missing: it is sent
again within seconds, and consumers drop what they have. Then let the consumer go on by "tributary resume loader ledger LANE --remedy
refilled", or for --topic orders "tributary resume engine orders LANE --remedy refilled" and the same for the loader.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			lane, err := strconv.Atoi(args[0])
			if err != nil {
				return usageError(cmd, "the lane must be a number")
			}
			seq, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return usageError(cmd, "the sequence must be a number")
			}
			table := outbox.Ledger()
			if topic != table.Topic {
				table = outbox.Orders()
			}
			if topic != table.Topic {
				return usageError(cmd, "--topic must be ledger or orders")
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return table.Rewind(ctx, db, lane, seq)
			})
		},
	}
	rewind.Flags().StringVar(&topic, "topic", topic, "ledger or orders")
	root.AddCommand(rewind)
	return root
}

func newLoader(a *app) *cobra.Command {
	root := &cobra.Command{Use: "loader", Short: "Retry a batch that the loader parked"}
	root.AddCommand(newRetry(a))
	return root
}

func newRetry(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "retry TOPIC PARTITION FIRST-OFFSET",
		Short: "Load a batch again: one that was parked, or one whose rows ClickHouse lost",
		Long: `The loader parks a batch when ClickHouse holds another number of its rows than it should, and "verify" names the batches
whose rows are missing. Once the cause is gone (after a restore of ClickHouse: first drop the rows of the batch that are left), name
the batch by its topic (touches, orders or ledger), partition and first offset. The loader sends it again if its rows are missing, as
long as Kafka still holds its records.`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			partition, err := strconv.Atoi(args[1])
			if err != nil {
				return usageError(cmd, "PARTITION must be a number")
			}
			first, err := strconv.ParseInt(args[2], 10, 64)
			if err != nil {
				return usageError(cmd, "FIRST-OFFSET must be a number")
			}
			return a.withPostgres(cmd, postgres.Operator, func(ctx context.Context, db *pgxpool.Pool) error {
				return loader.Retry(ctx, db, args[0], partition, first)
			})
		},
	}
}

func newKeys() *cobra.Command {
	root := &cobra.Command{Use: "keys", Short: "Make keys that sign click ids and records"}
	var id uint8
	made := &cobra.Command{
		Use:   "new",
		Short: "Print a new key",
		Long: `Print a new key for TRIBUTARY_CLICK_KEYS or TRIBUTARY_RECORD_KEYS; each needs one of its own. To rotate click keys: put a key with a
new --id in front of the old one on every tracker and engine; remove the old one when the longest attribution window has passed. To
rotate record keys: put the new one behind the old one on every tracker, loader and engine, then in front; remove the old one when
neither Kafka nor a spool keeps a record of its time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), keyring.Generate(id).Reveal())
			return nil
		},
	}
	made.Flags().Uint8Var(&id, "id", 1, "0 to 255, unlike that of any key in use")
	root.AddCommand(made)
	return root
}
