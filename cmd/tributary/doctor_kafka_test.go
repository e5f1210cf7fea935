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
		if err != nil || writes != (r == stream.Tracker) {
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

func TestDoctorJudgesWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	read, write := "Read", "Write"
	for name, row := range map[string]struct {
		own     []stream.Right
		excess  []stream.Right
		brokers []stream.Broker
		want    []string // health and part of what is said
	}{
		"an operator":             {own: rightsOf("op", read), want: []string{"ok the rights of op"}},
		"a super user":            {own: append(rightsOf("su", read), rightsOf("su", write)...), want: []string{"wrong may Write topic t.touches", "wrong may Write topic t.orders", "wrong may Write topic t.ledger"}},
		"a topic it may not read": {own: rightsOf("op", read)[:2], want: []string{"warn may not read topic t.ledger"}},
		"a role with too much":    {excess: []stream.Right{{User: "tributary_tracker", Topic: "ledger", Operation: "Write"}}, want: []string{"wrong tributary_tracker has the right Write on topic t.ledger"}},
		"a role that reads":       {excess: []stream.Right{{User: "tributary_tracker", Topic: "ledger", Operation: read}}, want: []string{"wrong tributary_tracker"}},
		"a stranger writes":       {excess: []stream.Right{{User: "guest", Topic: "orders", Operation: write}}, want: []string{"wrong guest"}},
		"a stranger reads":        {excess: []stream.Right{{User: "guest", Topic: "orders", Operation: read}}, want: []string{"warn guest"}},
		"everybody reads":         {excess: []stream.Right{{User: "*", Topic: "orders", Operation: read}}, want: []string{"wrong *"}},
		"rights on the cluster":   {excess: []stream.Right{{User: "guest", Operation: "Alter"}}, want: []string{"wrong guest has the right Alter on the cluster"}},
		"a sound broker":          {brokers: []stream.Broker{{Address: "a:1"}}, want: []string{"ok the broker a:1"}},
		"an open listener":        {brokers: []stream.Broker{{Address: "a:1", Open: []string{"PLAINTEXT://:9092"}}}, want: []string{"wrong PLAINTEXT://:9092"}},
		"no authorizer":           {brokers: []stream.Broker{{Address: "a:1", Unchecked: true}}, want: []string{"wrong checks nobody's rights"}},
		"open without grants":     {brokers: []stream.Broker{{Address: "a:1", Everyone: true}}, want: []string{"wrong lets everybody"}},
	} {
		d := &doctor{app: &app{cfg: config{KafkaPrefix: "t."}}}
		d.ownRights(row.own)
		d.foreignRights(row.excess)
		for _, b := range row.brokers {
			d.broker(b)
		}
		if len(d.readings) != len(row.want) {
			t.Errorf("%s: %+v, want %v", name, d.readings, row.want)
			continue
		}
		for i, r := range d.readings {
			h, says, _ := strings.Cut(row.want[i], " ")
			if string(r.Health) != h || !strings.Contains(r.Says, says) || h != "ok" && r.Remedy == "" {
				t.Errorf("%s: %+v, want %s", name, r, row.want[i])
			}
		}
	}
}

// rightsOf is one operation on each topic.
func rightsOf(user, operation string) (all []stream.Right) {
	for _, topic := range stream.Topics() {
		all = append(all, stream.Right{User: user, Topic: topic, Operation: operation})
	}
	return all
}
