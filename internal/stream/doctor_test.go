package stream

import (
	"strings"
	"testing"
	"time"

	"tributary/internal/doctor"
)

func TestTopicsThatWouldLoseOrRefuseRecords(t *testing.T) {
	t.Parallel()
	sound := Topic{Name: "orders", Partitions: 6, Replicas: 3, InSync: 3, MinInSync: 2, Retention: 200 * time.Hour, RetentionBytes: -1, Policy: "delete", MaxBytes: 1 << 20}
	for name, row := range map[string]struct {
		change func(t *Topic)
		health doctor.Health
		says   string
	}{
		"sound":                     {func(*Topic) {}, doctor.OK, ""},
		"kept for ever":             {func(t *Topic) { t.Retention = -time.Millisecond }, doctor.OK, ""},
		"compacted":                 {func(t *Topic) { t.Policy = "compact,delete" }, doctor.Wrong, "compaction removes"},
		"given up by size":          {func(t *Topic) { t.RetentionBytes = 1 << 30 }, doctor.Warn, "read or not"},
		"small requests":            {func(t *Topic) { t.MaxBytes = 100_000 }, doctor.Wrong, "requests up to 100000"},
		"no leader":                 {func(t *Topic) { t.Leaderless = 2 }, doctor.Wrong, "2 partitions without a leader"},
		"a replica behind":          {func(t *Topic) { t.InSync = 2 }, doctor.Warn, "2 of 3 replicas"},
		"acknowledged by one":       {func(t *Topic) { t.MinInSync = 1 }, doctor.Warn, "a single broker"},
		"more asked than there are": {func(t *Topic) { t.MinInSync = 4 }, doctor.Wrong, "nothing can be written"},
		"one copy":                  {func(t *Topic) { t.Replicas, t.InSync, t.MinInSync = 1, 1, 1 }, doctor.Warn, "a single copy"},
	} {
		topic := sound
		row.change(&topic)
		d := &Doctor{External: true, Partitions: 6, Retention: 168 * time.Hour, Report: &doctor.Report{}}
		d.topic("tributary.orders", topic)
		switch {
		case row.health == doctor.OK && len(d.Report.Findings) > 0:
			t.Errorf("%s: %+v, want nothing", name, d.Report.Findings)
		case row.health != doctor.OK && (len(d.Report.Findings) != 1 || d.Report.Findings[0].Health != row.health || !strings.Contains(d.Report.Findings[0].Says, row.says) || d.Report.Findings[0].Fix == ""):
			t.Errorf("%s: %+v, want %s with %q and a fix", name, d.Report.Findings, row.health, row.says)
		}
	}
}

func TestDoctorJudgesWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	read, write := "Read", "Write"
	for name, row := range map[string]struct {
		own     []Right
		excess  []Right
		brokers []Broker
		want    []string // health and part of what is said
	}{
		"an operator":             {own: rightsOf("op", read), want: []string{"ok the rights of op"}},
		"a super user":            {own: append(rightsOf("su", read), rightsOf("su", write)...), want: []string{"wrong may Write topic t.touches", "wrong may Write topic t.orders", "wrong may Write topic t.ledger"}},
		"a topic it may not read": {own: rightsOf("op", read)[:2], want: []string{"warn may not read topic t.ledger"}},
		"a role with too much":    {excess: []Right{{User: "tributary_tracker", Topic: "ledger", Operation: "Write"}}, want: []string{"wrong tributary_tracker has the right Write on topic t.ledger"}},
		"a role that reads":       {excess: []Right{{User: "tributary_tracker", Topic: "ledger", Operation: read}}, want: []string{"wrong tributary_tracker"}},
		"a stranger writes":       {excess: []Right{{User: "guest", Topic: "orders", Operation: write}}, want: []string{"wrong guest"}},
		"a stranger reads":        {excess: []Right{{User: "guest", Topic: "orders", Operation: read}}, want: []string{"warn guest"}},
		"everybody reads":         {excess: []Right{{User: "*", Topic: "orders", Operation: read}}, want: []string{"wrong *"}},
		"rights on the cluster":   {excess: []Right{{User: "guest", Operation: "Alter"}}, want: []string{"wrong guest has the right Alter on the cluster"}},
		"a sound broker":          {brokers: []Broker{{Address: "a:1"}}, want: []string{"ok the broker a:1"}},
		"an open listener":        {brokers: []Broker{{Address: "a:1", Open: []string{"PLAINTEXT://:9092"}}}, want: []string{"wrong PLAINTEXT://:9092"}},
		"no authorizer":           {brokers: []Broker{{Address: "a:1", Unchecked: true}}, want: []string{"wrong checks nobody's rights"}},
		"open without grants":     {brokers: []Broker{{Address: "a:1", Everyone: true}}, want: []string{"wrong lets everybody"}},
	} {
		d := &Doctor{Cluster: Cluster{Prefix: "t."}, Report: &doctor.Report{}}
		d.ownRights(row.own)
		d.foreignRights(row.excess)
		for _, b := range row.brokers {
			d.broker(b)
		}
		if len(d.Report.Findings) != len(row.want) {
			t.Errorf("%s: %+v, want %v", name, d.Report.Findings, row.want)
			continue
		}
		for i, r := range d.Report.Findings {
			h, says, _ := strings.Cut(row.want[i], " ")
			if string(r.Health) != h || !strings.Contains(r.Says, says) || h != "ok" && r.Fix == "" {
				t.Errorf("%s: %+v, want %s", name, r, row.want[i])
			}
		}
	}
}

// rightsOf is one operation on each topic.
func rightsOf(user, operation string) (all []Right) {
	for _, topic := range Topics() {
		all = append(all, Right{User: user, Topic: topic, Operation: operation})
	}
	return all
}
