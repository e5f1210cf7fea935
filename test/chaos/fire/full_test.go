package fire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
)

// ClickHouse 26.7 puts a part of empty files in the place of rows that it merges on a full disk. It must stop before.
func TestAFullDiskCostsClickHouseNoRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := &volume{name: "clickhouse", dir: filepath.Join(dir, "clickhouse")}
	if err := os.Mkdir(v.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := v.mount(); errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a small volume needs root")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.unmount(); err != nil {
			t.Error(err)
		}
	})
	s := embedded.New(embedded.Config{Dir: dir, ClickHouse: true})
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	at, err := s.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(at.ClickHouseURL, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(t.Context(), "CREATE TABLE kept (n UInt64, s String) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1"); err != nil {
		t.Fatal(err)
	}
	var stored, refused atomic.Int64
	insert := func() {
		err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO kept SELECT number + %d, toString(rand()) FROM numbers(300)", 300*(stored.Load()+refused.Load())))
		if err == nil {
			stored.Add(1)
		} else {
			refused.Add(1)
		}
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !holds(); insert() {
			if time.Now().After(deadline) {
				t.Fatalf("timed out waiting until %s", what)
			}
		}
	}
	until("there is something to merge", func() bool { return stored.Load() > 100 })
	filled := make(chan error, 1)
	go func() { filled <- v.fill(1) }()
	until("inserts are refused", func() bool { return refused.Load() > 20 })
	if err := errors.Join(<-filled, v.free()); err != nil {
		t.Fatal(err)
	}
	before := stored.Load()
	until("inserts are taken again", func() bool { return stored.Load() > before+20 })
	var rows uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM kept WHERE NOT ignore(s)").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if want := 300 * uint64(stored.Load()); rows < want {
		t.Errorf("%d rows are there, and %d were acknowledged", rows, want)
	}
}
