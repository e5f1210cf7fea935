package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/partners/catalogue"
)

// patience is how long a tracker that has a copy of the catalogue waits for PostgreSQL at its start.
const patience = 3 * time.Second

// countAge registers how old a tracker's links and keys are.
func (r *river) countAge(c *catalogue.Catalogue) {
	r.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tributary_catalogue_age_seconds", Help: "Time since PostgreSQL last confirmed the links and keys of this tracker.",
	}, func() float64 { return time.Since(c.LastLook()).Seconds() }))
}

// network gives the tracker its catalogue: PostgreSQL's, or where that does not answer soon, the copy on this disk. Without
// a copy that fits it waits for PostgreSQL.
func (r *river) network(ctx context.Context, db *pgxpool.Pool) (*catalogue.Catalogue, error) {
	file := filepath.Join(r.cfg.Data, "catalogue")
	c := catalogue.New(db, r.log).WithSigners().KeepAt(file)
	r.countAge(c)
	if _, err := os.Stat(file); err == nil {
		err := r.soon(ctx, db, c)
		if err == nil || ctx.Err() != nil || errors.Is(err, errForeignKey) {
			return c, err
		}
		if err = r.fromCopy(c, file); err == nil {
			return c, nil
		}
		r.log.Error("the copy of the catalogue cannot be used; waiting for PostgreSQL", "error", err)
	}
	if err := r.awaitPrepared(ctx); err != nil {
		return nil, err
	}
	if err := awaitPostgres(ctx, r.log, c.Load); err != nil {
		return nil, fmt.Errorf("loading the network: %w", err)
	}
	return c, r.registerKeysWhenThere(ctx, db)
}

// soon loads the catalogue from a PostgreSQL that answers within patience. How long the loading takes is another matter.
func (r *river) soon(ctx context.Context, db *pgxpool.Pool, c *catalogue.Catalogue) error {
	answering, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.awaitPrepared(answering); err != nil {
		return err
	}
	loading, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.Load(loading); err != nil {
		return fmt.Errorf("loading the network: %w", err)
	}
	return r.registerKeys(loading, db)
}

// awaitPrepared waits until the servers are at this version's schema.
func (r *river) awaitPrepared(ctx context.Context) error {
	select {
	case <-r.prepared:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// registerKeysWhenThere is registerKeys, however long PostgreSQL is down.
func (r *river) registerKeysWhenThere(ctx context.Context, db *pgxpool.Pool) error {
	var foreign error
	err := awaitPostgres(ctx, r.log, func(ctx context.Context) error {
		err := r.registerKeys(ctx, db)
		if errors.Is(err, errForeignKey) {
			foreign, err = err, nil
		}
		return err
	})
	return errors.Join(err, foreign)
}

// fromCopy fills the catalogue from the copy, as long as that is one of the network that this process is set up for.
func (r *river) fromCopy(c *catalogue.Catalogue, file string) error {
	cp, err := c.LoadCopy(file)
	if err != nil {
		return err
	}
	if made := cp.Settings["partitions"]; made != "" && made != strconv.Itoa(r.cfg.Partitions) {
		return fmt.Errorf("it is of a network with %s partitions, and %s is %d", made, envName("partitions"), r.cfg.Partitions)
	}
	shared := 0
	for row, k := range r.keyRows() {
		switch known := cp.Settings[row]; known {
		case "":
		case k.Fingerprint():
			if strings.HasPrefix(row, "click_key_") {
				shared++
			}
		default:
			return fmt.Errorf("%s: %w", row, errForeignKey)
		}
	}
	if shared == 0 {
		return errors.New("it is of a network that uses none of the click keys here")
	}
	r.log.Warn("PostgreSQL is down: serving from the copy of the catalogue; links and keys are as they were then",
		"as of", cp.Confirmed.UTC().Format(time.RFC3339), "age", time.Since(cp.Confirmed).Round(time.Second), "links", c.Links())
	return nil
}

// catchUpAgain is how long catchUp waits after an error of PostgreSQL.
const catchUpAgain = 5 * time.Second

// catchUp does, once PostgreSQL is there, what a start from the copy left out. Only a key that is not the network's ends the
// tracker: whatever else PostgreSQL says, redirects go on.
func (r *river) catchUp(ctx context.Context, db *pgxpool.Pool) error {
	if r.awaitPrepared(ctx) != nil {
		return nil //nolint:nilerr // it was stopped before PostgreSQL came
	}
	for failing := false; ; failing = true {
		err := r.registerKeysWhenThere(ctx, db)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was stopped
		case err == nil || errors.Is(err, errForeignKey):
			return err
		case !failing:
			r.log.Error("the click keys cannot be recorded; retrying", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(catchUpAgain):
		}
	}
}
