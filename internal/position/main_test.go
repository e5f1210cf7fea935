package position_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/test/engines"
)

// When childVariable names a database, the test binary is a consumer of its own, to be killed or frozen.
const childVariable = "TRIBUTARY_POSITION_CHILD"

func TestMain(m *testing.M) {
	if url := os.Getenv(childVariable); url != "" {
		child(url)
		return
	}
	engines.Main(m)
}

// child holds all partitions; its work locks each position, tells so, and saves it when a line arrives.
func child(url string) {
	ctx := context.Background()
	db, err := postgres.Open(ctx, engines.As(url, postgres.Loader), postgres.Loader, 16)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	k := position.NewKeeper(db, "loader", "touches", 2, "child", slog.New(slog.DiscardHandler))
	_ = k.Run(ctx, func(ctx context.Context, h position.Held) error {
		err := pgx.BeginFunc(context.WithoutCancel(ctx), db, func(tx pgx.Tx) error {
			p, err := h.Lock(context.WithoutCancel(ctx), tx)
			if err != nil {
				return err
			}
			fmt.Println("locked", h.Partition)
			time.Sleep(time.Second / 2) // the parent freezes or kills this process here
			p.Next += 1000
			return h.Save(context.WithoutCancel(ctx), tx, p)
		})
		fmt.Println("committed", h.Partition, err)
		<-ctx.Done()
		return ctx.Err()
	})
}

// open gives a pool in the role of a stage on a clean database, and the database's address.
func open(t *testing.T, role postgres.Role) (*pgxpool.Pool, string) {
	t.Helper()
	url := engines.PostgresURL(t)
	return openURL(t, url, role), url
}

func openURL(t *testing.T, url string, role postgres.Role) *pgxpool.Pool {
	t.Helper()
	db, err := postgres.Open(t.Context(), engines.As(url, role), role, 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}
