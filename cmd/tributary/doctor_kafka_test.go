package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/test/engines"
)

func kafkaPassword(r stream.Role) string { return "password-of-" + r.Name() }

// rolesOfKafka gives a Kafka that judges rights, as the operator and as its super user. migrate has made roles and topics.
func rolesOfKafka(t *testing.T, owned, reports string) (operator, super engines.Cluster) {
	t.Helper()
	k := engines.GuardedKafka(t)
	super = k
	text := []byte("# role and password\n")
	for _, r := range stream.Roles() {
		text = fmt.Appendf(text, "%s %s\n", r.Name(), kafkaPassword(r))
	}
	file := write(t, filepath.Join(t.TempDir(), "passwords"), string(text), 0o600)
	environ := append(k.Environ(), "TRIBUTARY_POSTGRES_URL="+owned, "TRIBUTARY_CLICKHOUSE_URL="+reports)
	if out, err := tributary(t.Context(), t, environ, "migrate", "--kafka-passwords", file, "--data", t.TempDir()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	k.User, k.Password = string(stream.Operator), kafkaPassword(stream.Operator)
	return k, super
}

// openKafka is one that asks nobody for a password.
func openKafka(t *testing.T) string {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return strings.Join(broker.ListenAddrs(), ",")
}

func TestMigrateMakesUsersWithTheirRights(t *testing.T) {
	t.Parallel()
	owned, reports := engines.PostgresURL(t), engines.ClickHouse(t)
	k, _ := rolesOfKafka(t, owned, reports)
	for _, r := range stream.Roles() {
		k.User, k.Password = string(r), kafkaPassword(r)
		own, err := k.Open(t).Own(t.Context())
		writes := slices.Contains(own, stream.Right{User: string(r), Topic: event.Orders, Operation: "Write"})
		if err != nil || writes != (r == stream.Tracker || r == stream.Loader) {
			t.Errorf("%s writes orders: %v (%v)", r, writes, err)
		}
	}
	embedded := []string{"TRIBUTARY_POSTGRES_URL=" + owned, "TRIBUTARY_CLICKHOUSE_URL=" + reports}
	if _, err := tributary(t.Context(), t, embedded, "migrate", "--kafka-passwords", "none", "--data", t.TempDir()); err == nil || !strings.Contains(err.Error(), "for a Kafka of your own") {
		t.Errorf("passwords for the embedded Kafka: %v", err)
	}
	missing := write(t, filepath.Join(t.TempDir(), "passwords"), "tracker 0123456789abcdef", 0o600)
	if _, err := tributary(t.Context(), t, append(k.Environ(), embedded...), "migrate", "--kafka-passwords", missing, "--data", t.TempDir()); err == nil || !strings.Contains(err.Error(), "no password for loader") {
		t.Errorf("a file without the loader: %v", err)
	}
}
