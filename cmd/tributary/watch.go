package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/commission/engine"
	"tributary/internal/position"
	"tributary/internal/stream"
	"tributary/tracker/loader"
)

// watch measures what belongs to no single process: how far each stage of the pipeline is, and what waits in PostgreSQL for
// the next stage or for a person. Each engine process has one; all of them say the same.
type watch struct {
	db         *pgxpool.Pool // as the engine
	kafka      *stream.Client
	partitions int
	log        *slog.Logger

	behind, unheld, letters           *prometheus.GaugeVec
	unsent, unsentAge, parked, looked prometheus.Gauge
	customers, customersAge           prometheus.Gauge
	nudged, nudgedAge                 prometheus.Gauge
	paths, pathsAge, disputes         prometheus.Gauge
}

// watchEvery is how often it looks.
const watchEvery = 15 * time.Second

func newWatch(db *pgxpool.Pool, kafka *stream.Client, partitions int, log *slog.Logger, registry prometheus.Registerer) *watch {
	vec := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tributary", Subsystem: "pipeline", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tributary", Subsystem: "pipeline", Name: name, Help: help})
	}
	w := &watch{
		db: db, kafka: kafka, partitions: partitions, log: log,
		behind:       vec("lag_records", "Records in Kafka that a consumer has not processed, whoever holds the partitions.", "consumer", "topic"),
		unheld:       vec("unheld_partitions", "Partitions that no process holds.", "consumer", "topic"),
		letters:      vec("dead_letters", "Dead letters that need operator action.", "consumer"),
		unsent:       gauge("outbox_records", "Events in the outboxes that Kafka has not acknowledged: ledger events, visitors' paths, counted clicks."),
		unsentAge:    gauge("outbox_oldest_seconds", "Age of the oldest event in the outboxes that Kafka has not acknowledged, 0 when there is none."),
		parked:       gauge("parked_batches", "Batches of the loaders that need operator action."),
		customers:    gauge("customers_waiting", "Changes to the orders of customers that are not worked out yet."),
		customersAge: gauge("customers_oldest_seconds", "Age of the oldest change to the orders of a customer that is not worked out yet, 0 when there is none."),
		nudged:       gauge("nudged_orders", "Orders that are to be decided again."),
		nudgedAge:    gauge("nudged_oldest_seconds", "Age of the oldest order that is to be decided again, 0 when there is none."),
		paths:        gauge("paths_waiting", "Clicks whose visitor's path an order waits for."),
		pathsAge:     gauge("paths_oldest_seconds", "How long the first order has waited for its visitor's path, 0 when none waits."),
		disputes:     gauge("disputes_old", "Disputes that have been open for 120 days."),
		looked:       gauge("last_read_timestamp_seconds", "When the metrics of the pipeline were last read, in seconds since 1970."),
	}
	registry.MustRegister(w.behind, w.unheld, w.letters, w.unsent, w.unsentAge, w.parked, w.looked, w.customers, w.customersAge, w.nudged, w.nudgedAge, w.paths, w.pathsAge, w.disputes)
	return w
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	failing := false
	for {
		err := w.once(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			w.log.Warn("the state of the pipeline cannot be read; its metrics are those of the last check", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// once reads all figures.
func (w *watch) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	for _, h := range position.Hops() {
		l, err := position.ReadLevel(ctx, w.db, w.kafka, h, w.partitions)
		if err != nil {
			return err
		}
		w.behind.WithLabelValues(h.Consumer, h.Topic).Set(float64(l.Behind))
		w.unheld.WithLabelValues(h.Consumer, h.Topic).Set(float64(l.Unheld))
	}
	waiting, err := engine.ReadWaiting(ctx, w.db)
	if err != nil {
		return err
	}
	batches, err := loader.ReadBacklog(ctx, w.db)
	if err != nil {
		return err
	}
	for consumer, letters := range waiting.Letters {
		w.letters.WithLabelValues(consumer).Set(float64(letters))
	}
	w.unsent.Set(float64(waiting.Unsent))
	w.unsentAge.Set(waiting.Oldest.Seconds())
	w.customers.Set(float64(waiting.Customers))
	w.customersAge.Set(waiting.CustomersOldest.Seconds())
	w.nudged.Set(float64(waiting.Nudged))
	w.nudgedAge.Set(waiting.NudgedOldest.Seconds())
	w.paths.Set(float64(waiting.Paths))
	w.disputes.Set(float64(waiting.Disputes))
	w.pathsAge.Set(waiting.PathsOldest.Seconds())
	w.parked.Set(float64(batches.Parked))
	w.looked.SetToCurrentTime()
	return nil
}
