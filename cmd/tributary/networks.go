package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
)

// checkNetworks refuses roles whose addresses lead to different networks, and addresses that log in as somebody else.
func (a *app) checkNetworks(ctx context.Context, s stores) error {
	found := map[string]string{}
	for _, role := range postgres.Roles() {
		address, used := s.postgres[role.Name()]
		if !used {
			continue
		}
		var network string
		if err := awaitPostgres(ctx, a.log, func(ctx context.Context) error {
			db, err := postgres.Open(ctx, address, role, 1)
			if err != nil {
				return err
			}
			defer db.Close()
			network, err = postgres.Network(ctx, db)
			return err
		}); err != nil {
			return fmt.Errorf("reading the network's id as %s: %w", role.Name(), err)
		}
		found[role.Name()] = network
		for other, id := range found {
			if id != network {
				return fmt.Errorf("%s and %s lead to different networks (%s and %s): point both at one database",
					envName(postgresSetting(other)), envName(postgresSetting(role.Name())), id, network)
			}
		}
	}
	return nil
}

// checkReports refuses addresses of ClickHouse that lead to another network's than those of PostgreSQL do. While ClickHouse does
// not answer it asks again, until ctx ends.
func checkReports(ctx context.Context, log *slog.Logger, s stores) error {
	var network string
	if err := awaitPostgres(ctx, log, func(ctx context.Context) (err error) {
		network, err = networkOf(ctx, s.anyPostgres())
		return err
	}); err != nil {
		return err
	}
	for _, role := range clickhouse.Roles() {
		address, used := s.clickhouse[role.Name()]
		if !used {
			continue
		}
		found, err := awaitReports(ctx, log, address)
		if err != nil {
			return err
		}
		if found != network {
			return fmt.Errorf("ClickHouse, as %s, and PostgreSQL are of different networks (%s and %s): point both at one, or run `tributary migrate` on an empty ClickHouse",
				role.Name(), shownNetwork(found), network)
		}
	}
	return nil
}

func shownNetwork(id string) string {
	if id == "" {
		return "none"
	}
	return id
}

// networkOf reads the network's id from PostgreSQL.
func networkOf(ctx context.Context, address string) (network string, err error) {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return "", fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	return postgres.Network(ctx, conn)
}

// awaitReports reads the network's id from ClickHouse, and waits for one that does not answer.
func awaitReports(ctx context.Context, log *slog.Logger, address string) (string, error) {
	for told := false; ; {
		network, err := clickhouse.Network(ctx, address)
		if _, answered := clickhouse.Code(err); err == nil || answered {
			return network, err
		}
		if !told {
			log.Warn("waiting for ClickHouse", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// joinNetwork writes the id of PostgreSQL's network into a ClickHouse that has none, as the owner of both, and refuses one of
// another network.
func joinNetwork(ctx context.Context, books, reports string) error {
	network, err := networkOf(ctx, books)
	if err != nil {
		return err
	}
	found, err := clickhouse.Network(ctx, reports)
	switch {
	case err != nil:
		return err
	case found == network:
		return nil
	case found != "":
		return fmt.Errorf("ClickHouse is of another network than PostgreSQL (%s and %s): point both at one, or give each network a database of its own", found, network)
	}
	return clickhouse.SetNetwork(ctx, reports, network)
}
