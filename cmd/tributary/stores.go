package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"tributary/internal/embedded"
)

// stores are the addresses of the three servers.
type stores struct {
	postgres   string
	kafka      []string
	clickhouse string
	pages      string // of ClickHouse, for a user who only reads the reports; that of clickhouse where there is none

	engines *embedded.Supervisor // those that this process runs; nil where it runs none
}

// need says which servers a command works with.
type need struct{ postgres, kafka, clickhouse bool }

func (n need) or(m need) need {
	return need{n.postgres || m.postgres, n.kafka || m.kafka, n.clickhouse || m.clickhouse}
}

// everything is what most commands need.
func everything() need { return need{true, true, true} }

// enginesDir is where the embedded engines keep their data.
func (a *app) enginesDir() string { return filepath.Join(a.cfg.Data, "engines") }

// withStores runs work with the addresses of the servers it needs. Those without a configured address are started
// embedded in the data folder and stopped, in order, once work has returned; when another process has them running on the
// same folder already, work gets that process's.
func (a *app) withStores(ctx context.Context, n need, progress io.Writer, work func(ctx context.Context, s stores) error) error {
	if err := checkFolder(a.cfg.Data); err != nil {
		return err
	}
	s := stores{postgres: a.cfg.PostgresURL, kafka: a.cfg.KafkaBrokers, clickhouse: a.cfg.ClickHouseURL}
	engines := embedded.Config{
		Dir:      a.enginesDir(),
		Postgres: n.postgres && s.postgres == "", Kafka: n.kafka && len(s.kafka) == 0, ClickHouse: n.clickhouse && s.clickhouse == "",
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
	if s.postgres == "" {
		s.postgres = from.PostgresURL
	}
	if len(s.kafka) == 0 && from.KafkaBrokers != "" {
		s.kafka = strings.Split(from.KafkaBrokers, ",")
	}
	if s.clickhouse == "" {
		s.clickhouse, s.pages = from.ClickHouseURL, from.ClickHousePagesURL
	}
	s.pages = cmp.Or(s.pages, s.clickhouse)
	return s
}
