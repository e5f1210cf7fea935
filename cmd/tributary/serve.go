package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tributary/internal/postgres"
	"tributary/internal/stream"
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
					"tracker": {true, true, false, nil}, "loader": {true, true, true, nil},
					"engine": {true, true, false, nil}, "dashboard": {true, false, true, nil},
				}[role])
			}
			n.logins = slices.Compact(slices.Sorted(slices.Values(args)))
			return a.withStores(cmd.Context(), n, os.Stderr, func(ctx context.Context, s stores) error {
				return a.run(ctx, s, n, args)
			})
		},
	}
}

// run runs roles until ctx ends or one of them fails, which ends the others. They begin when the servers are prepared; a
// tracker with a copy of the catalogue does not wait for that.
func (a *app) run(ctx context.Context, s stores, n need, roles []string) error {
	r, err := newRiver(&a.cfg, a.log, s, ringsOf(roles)...)
	if err != nil {
		return err
	}
	defer r.close()
	r.ready.expect(roles)
	if _, said := os.LookupEnv("GOGC"); !said && len(roles) == 1 && roles[0] == "engine" {
		debug.SetGCPercent(engineGC)
	}
	work := map[string]func(ctx context.Context) error{
		"tracker": r.tracker, "loader": r.loader, "engine": r.engine, "dashboard": r.dashboard,
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, role := range slices.Compact(slices.Sorted(slices.Values(roles))) {
		group.Go(func() error {
			if role != "tracker" || !a.cfg.ownPostgres() {
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
	if n.clickhouse && a.cfg.ownClickHouse() {
		group.Go(func() error {
			if r.awaitPrepared(ctx) != nil {
				return nil //nolint:nilerr // another role has ended them all
			}
			if err := checkReports(ctx, a.log, s); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	group.Go(func() error { return r.inside(ctx) })
	return group.Wait()
}

// prepare brings embedded servers up to this binary's schema, and refuses others that are not.
func (a *app) prepare(ctx context.Context, s stores, n need) error {
	if !a.cfg.ownPostgres() {
		if err := migrations.Postgres(ctx, s.postgres[owner]); err != nil {
			return err
		}
	} else if err := a.awaitSchema(ctx, s); err != nil {
		return err
	}
	if err := a.checkNetworks(ctx, s); err != nil {
		return err
	}
	if err := a.checkPartitions(ctx, s); err != nil {
		return err
	}
	if n.clickhouse && !a.cfg.ownClickHouse() {
		if err := migrations.ClickHouse(ctx, s.clickhouse[owner]); err != nil {
			return err
		}
		if err := awaitPostgres(ctx, a.log, func(ctx context.Context) error { return joinNetwork(ctx, s.anyPostgres(), s.clickhouse[owner]) }); err != nil {
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
		current, err = migrations.PostgresCurrent(ctx, s.anyPostgres())
		return err
	})
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "28P01" {
		err = fmt.Errorf("%w: `tributary migrate --role-passwords FILE` makes the log-ins and sets their passwords", err)
	}
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
		conn, err := pgx.Connect(ctx, s.anyPostgres())
		if err != nil {
			return fmt.Errorf("connecting to PostgreSQL: %w", err)
		}
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
		text, found, err := postgres.Setting(ctx, conn, "partitions")
		if err != nil || !found { // the topics have not been made yet
			return err
		}
		made, err = strconv.Atoi(text)
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
	kafka, err := stream.Open(s.kafka, a.log)
	if err != nil {
		return err
	}
	defer kafka.Close()
	if err := kafka.CreateTopics(ctx, a.cfg.Partitions, a.cfg.Retention); err != nil {
		return err
	}
	if s.postgres[owner] == "" { // a server of one's own, where migrate has written it down
		return nil
	}
	conn, err := pgx.Connect(ctx, s.postgres[owner])
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the statement has been answered
	return postgres.KeepSetting(ctx, conn, "partitions", strconv.Itoa(a.cfg.Partitions))
}

func newMigrate(a *app) *cobra.Command {
	var passwords, kafkaPasswords string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring PostgreSQL, ClickHouse and the Kafka topics up to this version",
		Long: `Bring both databases up to this version's schema and make the topics. May be run again at any time, before any process of the new version starts.

It logs in to PostgreSQL and ClickHouse as the owner of the database. With --role-passwords it makes the log-ins of the roles there and gives
them the passwords in a file: a line for each of tracker, loader, engine, dashboard, operator and reader, with the password behind it.
That is needed once, after a restore to another server, and to change a password.

With --kafka-passwords it makes the users tributary_tracker, _loader, _engine and _operator of Kafka (SCRAM-SHA-512), with the passwords in
such a file, and grants each its rights on the topics. For that it logs in to Kafka as a super user.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if passwords != "" && !a.cfg.ownPostgres() && !a.cfg.ownClickHouse() {
				return usageError(cmd, "--role-passwords is for servers of your own; the embedded ones keep their passwords in the data folder")
			}
			if kafkaPasswords != "" && len(a.cfg.KafkaBrokers) == 0 {
				return usageError(cmd, "--kafka-passwords is for a Kafka of your own; the embedded one keeps its password in the data folder")
			}
			return a.withStores(cmd.Context(), everything(owner), os.Stderr, func(ctx context.Context, s stores) error {
				if passwords != "" {
					if err := a.setPasswords(ctx, s, passwords); err != nil {
						return err
					}
				}
				if err := migrations.Postgres(ctx, s.postgres[owner]); err != nil {
					return err
				}
				if err := migrations.ClickHouse(ctx, s.clickhouse[owner]); err != nil {
					return err
				}
				if err := joinNetwork(ctx, s.postgres[owner], s.clickhouse[owner]); err != nil {
					return err
				}
				if err := a.checkPartitions(ctx, s); err != nil {
					return err
				}
				if err := a.createTopics(ctx, s); err != nil {
					return err
				}
				if kafkaPasswords != "" {
					if err := a.setKafkaPasswords(ctx, s, kafkaPasswords); err != nil {
						return err
					}
				}
				fmt.Fprintln(cmd.OutOrStdout(), "PostgreSQL, ClickHouse and the topics are up to date.")
				return tellClosed(ctx, s.postgres[owner], cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().StringVar(&passwords, "role-passwords", "", "file of the roles' passwords for PostgreSQL")
	cmd.Flags().StringVar(&kafkaPasswords, "kafka-passwords", "", "file of the roles' passwords for Kafka")
	return cmd
}

// tellClosed names the roles that nobody can log in as yet.
func tellClosed(ctx context.Context, address string, out io.Writer) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	closed, _, err := postgres.ClosedRoles(ctx, conn)
	if err == nil && len(closed) > 0 {
		fmt.Fprintf(out, "Without a password yet: %s. Set them with --role-passwords.\n", strings.Join(closed, ", "))
	}
	return err
}
