package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/test/engines"
)

// TestWhatVanishedIsFoundThroughTheCommands has an attacker write to Kafka beside a network of one process, and then takes a click
// and an order out of the stores: verify names the first, and the spool the second.
func TestWhatVanishedIsFoundThroughTheCommands(t *testing.T) {
	t.Parallel()
	ctx, data := t.Context(), t.TempDir()
	address, kafka := engines.PostgresURL(t), engines.Kafka(t)
	reports := reportsOf(t, address)
	if err := kafka.Open(t).CreateTopics(ctx, attackedPartitions, time.Hour); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	shop := newTestShop(t, db)
	environ := append(append(kafka.Environ(), postgresEnv(address)...), "TRIBUTARY_CLICKHOUSE_LOADER_URL="+engines.ClickHouseAs(reports, clickhouse.Loader), "TRIBUTARY_CLICKHOUSE_OPERATOR_URL="+engines.ClickHouseAs(reports, clickhouse.Operator), "TRIBUTARY_DATA="+data, "TRIBUTARY_CLICK_KEYS="+keyring.Generate(1).Reveal())
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePorts(t, 19650)))
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		_, err := tributary(serving, t, environ, "serve", "tracker", "loader", "engine", "--tracker-listen", listen, "--admin-listen", "", "--conversion-wait", "30s")
		ended <- err
	}()
	t.Cleanup(stop)
	awaitHealth(t, "http://"+listen+"/healthz")
	a := &attacked{url: "http://" + listen, db: db, kafka: kafka.Open(t), mine: shop}
	for n := range 3 {
		body := fmt.Sprintf(`{"order_id":"V-%d","amount":10000,"currency":"EUR","click_id":%q}`, n, a.click(t, shop))
		if status, answer := a.post(t, body, bearer(shop.key)...); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	a.awaitBooked(t)
	lane := int32(event.Lane(event.OrderKey(int64(shop.merchant), "V-0"), attackedPartitions))
	kafka.Plant(t, event.Orders, lane, kafka.Steal(t, event.Orders, lane, 0), map[string][]byte{event.HeaderSpool: make([]byte, 16)})
	until(t, "everything is in ClickHouse, and what was planted aside", func() bool {
		return a.count(t, `SELECT count(*) FROM forged`) == 2 && // the engine's and the loader's
			a.count(t, `SELECT coalesce(sum(seq), 0)::bigint FROM high_water WHERE consumer = 'loader' AND topic = 'touches'`) == 3
	})
	until(t, "no batch is open", func() bool { return a.count(t, `SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`) == 0 })
	if out, err := tributary(ctx, t, environ, "spool", "verify"); err == nil || !strings.Contains(err.Error(), "stop the tracker") {
		t.Errorf("beside a tracker: %v\n%s", err, out)
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if out, err := tributary(ctx, t, environ, "verify"); err != nil || !strings.Contains(out, "keeps 3 reports and 3 clicks: 0 are not stored") || !strings.Contains(out, "2 records in Kafka were not this network's") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := tributary(ctx, t, environ, "verify", "--data", t.TempDir()); err != nil || !strings.Contains(out, "was not compared with what is stored") {
		t.Errorf("verify elsewhere: %v\n%s", err, out)
	}
	if out, err := tributary(ctx, t, environ, "forged", "list"); err != nil || strings.Count(out, "partition "+strconv.Itoa(int(lane))+" of orders") != 2 {
		t.Errorf("forged list: %v\n%s", err, out)
	}
	if out, err := tributary(ctx, t, environ, "forged", "declare", "engine", "orders", strconv.Itoa(int(lane)), "--note", "x"); err == nil {
		t.Errorf("nothing is halted, and: %s", out)
	}
	if _, err := db.Exec(ctx, `ALTER TABLE order_event DISABLE TRIGGER USER; DELETE FROM order_event WHERE order_no = (SELECT no FROM orders WHERE order_id = 'V-1')`); err != nil {
		t.Fatal(err)
	}
	out, err := tributary(ctx, t, environ, "spool", "verify", data)
	if err == nil || !strings.Contains(out, `the report of order "V-1"`) || !strings.Contains(out, "1 are not stored") {
		t.Errorf("spool verify: %v\n%s", err, out)
	}
}
