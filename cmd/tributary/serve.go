package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tributary/migrations"
)

// roleNames are the roles of serve, in the order of the river.
func roleNames() []string { return []string{"tracker", "loader", "engine", "dashboard"} }

func newServe(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "serve [tracker|loader|engine|dashboard|all]...",
		Short: "Run one role, several or all of them until interrupted",
		Long: `Run roles of the network until interrupted. Without a role, all of them.

Servers that no setting names are started embedded, in the data folder, and brought up to date. With servers of your own, run
"tributary migrate" first. Several processes of a role share the work: trackers behind a balancer, loaders and engines by
leases that move within 10 s when one dies.`,
		ValidArgs: append(roleNames(), "all"),
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || slices.Contains(args, "all") {
				args = roleNames()
			}
			n := need{}
			for _, role := range args {
				n = n.or(map[string]need{
					"tracker": {true, true, false}, "loader": {true, true, true},
					"engine": {true, true, false}, "dashboard": {true, false, true},
				}[role])
			}
			return a.withStores(cmd.Context(), n, os.Stderr, func(ctx context.Context, s stores) error {
				return a.run(ctx, s, n, args)
			})
		},
	}
}

// run runs roles until ctx ends or one of them fails, which ends the others. They begin when the servers are prepared; a
// tracker with a copy of the catalogue does not wait for that.
func (a *app) run(ctx context.Context, s stores, n need, roles []string) error {
	r, err := newRiver(&a.cfg, a.log, s)
	if err != nil {
		return err
	}
	defer r.close()
	r.ready.expect(roles)
	work := map[string]func(ctx context.Context) error{
		"tracker": r.tracker, "loader": r.loader, "engine": r.engine, "dashboard": r.dashboard,
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, role := range slices.Compact(slices.Sorted(slices.Values(roles))) {
		group.Go(func() error {
			if role != "tracker" || a.cfg.PostgresURL == "" {
				if err := r.awaitPrepared(ctx); err != nil {
					return nil //nolint:nilerr // another role has ended them all
				}
			}
			if err := work[role](ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", role, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		err := a.prepare(ctx, s, n)
		if err == nil {
			close(r.prepared)
		}
		return err
	})
	group.Go(func() error { return r.inside(ctx) })
	return group.Wait()
}

// prepare brings embedded servers up to this binary's schema, and refuses others that are not.
func (a *app) prepare(ctx context.Context, s stores, n need) error {
	if a.cfg.PostgresURL == "" {
		if err := migrations.Postgres(ctx, s.postgres); err != nil {
			return err
		}
	} else if err := a.awaitSchema(ctx, s); err != nil {
		return err
	}
	if err := a.checkPartitions(ctx, s); err != nil {
		return err
	}
	if n.clickhouse && a.cfg.ClickHouseURL == "" {
		if err := migrations.ClickHouse(ctx, s.clickhouse); err != nil {
			return err
		}
	}
	if n.kafka && len(a.cfg.KafkaBrokers) == 0 {
		return a.createTopics(ctx, s)
	}
	return nil
}

// awaitSchema waits for a PostgreSQL that is not there yet, and refuses one with another schema than this binary's.
func (a *app) awaitSchema(ctx context.Context, s stores) error {
	current := false
	err := awaitPostgres(ctx, a.log, func(ctx context.Context) (err error) {
		current, err = migrations.PostgresCurrent(ctx, s.postgres)
		return err
	})
	if err == nil && !current {
		err = errors.New("the database is not at this version's schema: run `tributary migrate` first")
	}
	return err
}

// checkPartitions refuses another number of partitions than the topics were made with: orders would be looked for where
// they are not, and the partitions above the number would never be read.
func (a *app) checkPartitions(ctx context.Context, s stores) error {
	made := a.cfg.Partitions
	err := awaitPostgres(ctx, a.log, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, s.postgres)
		if err != nil {
			return fmt.Errorf("connecting to PostgreSQL: %w", err)
		}
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
		err = conn.QueryRow(ctx, `SELECT value::int FROM setting WHERE name = 'partitions'`).Scan(&made)
		if errors.Is(err, pgx.ErrNoRows) { // the topics have not been made yet
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the number of partitions: %w", err)
	}
	if made != a.cfg.Partitions {
		return fmt.Errorf("%s is %d, but the topics of this network were made with %d: set it to that", envName("partitions"), a.cfg.Partitions, made)
	}
	return nil
}

// createTopics makes the topics, and writes down with how many partitions.
func (a *app) createTopics(ctx context.Context, s stores) error {
	kafka, err := a.cfg.openKafka(s.kafka, a.log)
	if err != nil {
		return err
	}
	defer kafka.Close()
	if err := kafka.CreateTopics(ctx, a.cfg.Partitions, a.cfg.Retention); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the statement has been answered
	if _, err := conn.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('partitions', $1) ON CONFLICT (name) DO NOTHING`, strconv.Itoa(a.cfg.Partitions)); err != nil {
		return fmt.Errorf("writing the number of partitions down: %w", err)
	}
	return nil
}

func newMigrate(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring PostgreSQL, ClickHouse and the Kafka topics up to this version",
		Long:  "Bring both databases up to this version's schema and make the topics. May be run again at any time, before any process of the new version starts.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStores(cmd.Context(), everything(), os.Stderr, func(ctx context.Context, s stores) error {
				if err := migrations.Postgres(ctx, s.postgres); err != nil {
					return err
				}
				if err := migrations.ClickHouse(ctx, s.clickhouse); err != nil {
					return err
				}
				if err := a.checkPartitions(ctx, s); err != nil {
					return err
				}
				if err := a.createTopics(ctx, s); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "PostgreSQL, ClickHouse and the topics are up to date.")
				return nil
			})
		},
	}
}
