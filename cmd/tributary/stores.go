package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"tributary/internal/embedded"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// stores are the addresses of the three servers.
type stores struct {
	postgres   map[string]string // by log-in: the name of a role, or owner
	kafka      stream.Cluster
	clickhouse map[string]string // by log-in, too

	engines *embedded.Supervisor // those that this process runs; nil where it runs none
}

// need says which servers a command works with, and as whom.
type need struct {
	postgres, kafka, clickhouse bool
	logins                      []string // to PostgreSQL and ClickHouse; none: the operator's
}

func (n need) or(m need) need {
	return need{n.postgres || m.postgres, n.kafka || m.kafka, n.clickhouse || m.clickhouse, append(slices.Clip(n.logins), m.logins...)}
}

// everything is every server, as the operator unless logins say otherwise.
func everything(logins ...string) need { return need{true, true, true, logins} }

// allLogins are those of a process that plays every role.
func allLogins() []string { return append(roleNames(), postgres.Operator.Name()) }

// enginesDir is where the embedded engines keep their data.
func (a *app) enginesDir() string { return filepath.Join(a.cfg.Data, "engines") }

// withStores runs work with the addresses of the servers it needs. Those without a configured address are started
// embedded in the data folder and stopped, in order, once work has returned; when another process has them running on the
// same folder already, work gets that process's.
func (a *app) withStores(ctx context.Context, n need, progress io.Writer, work func(ctx context.Context, s stores) error) error {
	if err := checkFolder(a.cfg.Data); err != nil {
		return err
	}
	if len(n.logins) == 0 {
		n.logins = []string{postgres.Operator.Name()}
	}
	s := stores{kafka: a.cfg.kafkaCluster()}
	var err error
	if n.kafka {
		if s.kafka.Keys, err = recordKeys.ifAny(&a.cfg); err != nil {
			return err
		}
	}
	if n.postgres {
		if s.postgres, err = a.cfg.postgresAddresses(n.logins); err != nil {
			return err
		}
	}
	if n.clickhouse {
		if s.clickhouse, err = a.cfg.clickhouseAddresses(n.logins); err != nil {
			return err
		}
	}
	engines := embedded.Config{
		Dir:      a.enginesDir(),
		Postgres: n.postgres && !a.cfg.ownPostgres(), Kafka: n.kafka && len(s.kafka.Brokers) == 0, ClickHouse: n.clickhouse && !a.cfg.ownClickHouse(),
		Log: a.log, Progress: progress,
	}
	if !engines.Postgres && !engines.Kafka && !engines.ClickHouse {
		return work(ctx, s.fill(embedded.Addresses{}))
	}
	if running, ok := embedded.Running(engines.Dir); ok {
		return work(ctx, s.fill(running))
	}
	supervisor := embedded.New(engines)
	enginesCtx, stopEngines := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngines()
	ended := make(chan error, 1)
	workCtx, stopWork := context.WithCancelCause(ctx)
	defer stopWork(nil)
	go func() {
		err := supervisor.Run(enginesCtx)
		if err != nil {
			stopWork(fmt.Errorf("running the embedded engines: %w", err))
		}
		ended <- err
	}()
	addresses, err := supervisor.Ready(workCtx)
	if err == nil {
		filled := s.fill(addresses)
		filled.engines = supervisor
		err = work(workCtx, filled)
		if cause := context.Cause(workCtx); cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}
	stopEngines()
	if engineErr := <-ended; err == nil {
		err = engineErr
	}
	return err
}

// fill takes the addresses that were not configured.
func (s stores) fill(from embedded.Addresses) stores {
	if len(s.postgres) == 0 && from.PostgresURL != "" {
		s.postgres = maps.Clone(from.PostgresRoles)
		s.postgres[owner] = from.PostgresURL
	}
	if len(s.kafka.Brokers) == 0 && from.KafkaBrokers != "" {
		s.kafka.Brokers = []string{from.KafkaBrokers}
		s.kafka.Security = stream.Security{Mechanism: from.KafkaMechanism, User: from.KafkaUser, Password: from.KafkaPassword}
	}
	if len(s.clickhouse) == 0 && from.ClickHouseURL != "" {
		s.clickhouse = maps.Clone(from.ClickHouseRoles)
		s.clickhouse[owner] = from.ClickHouseURL
	}
	return s
}

// anyPostgres is the address of one of the log-ins, for what all of them may ask.
func (s stores) anyPostgres() string {
	for _, name := range slices.Sorted(maps.Keys(s.postgres)) {
		if name != owner || len(s.postgres) == 1 {
			return s.postgres[name]
		}
	}
	return ""
}
