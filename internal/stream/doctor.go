package stream

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tributary/internal/doctor"
)

// minRequest is what the brokers must take in one request: see packages relay and engine.
const minRequest = 1 << 20 * 96 / 100

// Doctor looks over the brokers and their topics.
type Doctor struct {
	Cluster Cluster
	// External says that they are no embedded ones: then it also looks at who may speak to them.
	External bool
	// Partitions and Retention are what the topics should have, and SpoolKeep how long trackers keep another copy.
	Partitions           int
	Retention, SpoolKeep time.Duration
	Log                  *slog.Logger
	Report               *doctor.Report
}

// Examine reports what is there. Kafka does not tell its time.
func (d *Doctor) Examine(ctx context.Context) {
	const area = "Kafka"
	client, err := Open(d.Cluster, d.Log)
	if err != nil {
		d.Report.Add(area, doctor.Wrong, doctor.Problem(err), "fix the settings TRIBUTARY_KAFKA_TLS and those beside it")
		return
	}
	defer client.Close()
	if d.External {
		d.kafkaAccess(ctx, client)
	}
	topics, err := client.Describe(ctx)
	if err != nil {
		fix := "start the brokers, or fix TRIBUTARY_KAFKA_BROKERS; a broker must be reachable under the name it advertises"
		if Refused(err) {
			fix = "run tributary migrate --kafka-passwords FILE, log in as " + string(Operator) + ", or fix TRIBUTARY_KAFKA_PREFIX"
		}
		d.Report.Add(area, doctor.Wrong, doctor.Problem(err), fix)
		return
	}
	for _, t := range topics {
		before := len(d.Report.Findings)
		if d.topic(d.Cluster.Prefix+t.Name, t); len(d.Report.Findings) == before {
			d.Report.Add(area, doctor.OK, fmt.Sprintf("topic %s%s has %d partitions of %d replicas, kept for %s, time stamps %s",
				d.Cluster.Prefix, t.Name, t.Partitions, t.Replicas, t.Retention, t.TimestampType), "")
		}
	}
}

// topic looks at one topic.
func (d *Doctor) topic(name string, t Topic) {
	bad := func(h doctor.Health, fix, format string, args ...any) {
		d.Report.Add("Kafka", h, "topic "+name+" "+fmt.Sprintf(format, args...), fix)
	}
	if t.Missing {
		bad(doctor.Wrong, "run tributary migrate", "does not exist")
		return
	}
	if t.Partitions != d.Partitions {
		bad(doctor.Wrong, "set it to the topic's number, or give new topics another TRIBUTARY_KAFKA_PREFIX", "has %d partitions, and %s is %d", t.Partitions, "TRIBUTARY_PARTITIONS", d.Partitions)
	}
	if t.Leaderless > 0 {
		bad(doctor.Wrong, "bring the missing brokers back", "has %d partitions without a leader", t.Leaderless)
	}
	if t.Policy != "" && t.Policy != "delete" {
		bad(doctor.Wrong, "set cleanup.policy=delete", "has cleanup.policy %s: compaction removes records that are needed", t.Policy)
	}
	if t.Retention >= 0 && t.Retention < d.Retention {
		bad(doctor.Warn, "set its retention.ms, or TRIBUTARY_RETENTION", "keeps records for %s, and %s is %s", t.Retention, "TRIBUTARY_RETENTION", d.Retention)
	}
	if t.RetentionBytes > 0 {
		bad(doctor.Warn, "set retention.bytes=-1, and watch the disk", "gives records up beyond %d bytes, read or not", t.RetentionBytes)
	}
	if t.MaxBytes > 0 && t.MaxBytes < minRequest {
		bad(doctor.Wrong, "set max.message.bytes to 1 MiB", "takes requests up to %d bytes, and they may have %d", t.MaxBytes, minRequest)
	}
	if t.InSync < t.Replicas {
		bad(doctor.Warn, "bring the missing brokers back", "has %d of %d replicas in sync", t.InSync, t.Replicas)
	}
	switch {
	case t.MinInSync > t.Replicas:
		bad(doctor.Wrong, "set min.insync.replicas below the number of replicas", "wants %d replicas in sync and has %d: nothing can be written", t.MinInSync, t.Replicas)
	case t.Replicas > 2 && t.MinInSync < 2:
		bad(doctor.Warn, "set min.insync.replicas=2", "acknowledges what a single broker has")
	case t.Replicas < 2 && d.External:
		bad(doctor.Warn, "with three brokers: three replicas and min.insync.replicas=2", "has a single copy; the trackers' spools keep another for %s", d.SpoolKeep)
	}
}

// certificateEnds is how long before a broker's certificate ends that is worth saying.
const certificateEnds = 30 * 24 * time.Hour

// kafkaAccess looks at who may speak to brokers of one's own, and what each may do there.
func (d *Doctor) kafkaAccess(ctx context.Context, client *Client) {
	const area = "Kafka"
	cluster := d.Cluster
	if cluster.User == "" {
		d.Report.Add(area, doctor.Wrong, "no user is set: whoever reaches the brokers can report orders and delete topics", "give each role a user: docs/kafka.md")
	}
	for _, broker := range cluster.Brokers {
		switch {
		case cluster.TLS:
			d.certificate(ctx, client, broker)
		case !isLoopback(broker):
			d.Report.Add(area, doctor.Wrong, "what is sent to "+broker+" can be read and changed on the way", "set TRIBUTARY_KAFKA_TLS")
		}
		if Anonymous(ctx, cluster, broker) {
			d.Report.Add(area, doctor.Wrong, broker+" answers who has shown no password", "let its listener be SASL_SSL: docs/kafka.md")
		}
	}
	own, err := client.Own(ctx)
	if err != nil {
		d.Report.Add(area, doctor.Wrong, doctor.Problem(err), "start the brokers, or fix user and password")
		return
	}
	d.ownRights(own)
	excess, err := client.Excess(ctx)
	if err != nil {
		d.Report.Add(area, doctor.Warn, doctor.Problem(err), "grant Describe on the cluster to "+string(Operator))
	}
	d.foreignRights(excess)
	brokers, err := client.Brokers(ctx)
	if err != nil {
		d.Report.Add(area, doctor.Warn, doctor.Problem(err), "grant DescribeConfigs on the cluster to "+string(Operator))
	}
	for _, b := range brokers {
		d.broker(b)
	}
}

func (d *Doctor) certificate(ctx context.Context, client *Client, broker string) {
	end, err := client.Expiry(ctx, broker)
	switch {
	case err != nil:
		d.Report.Add("Kafka", doctor.Wrong, doctor.Problem(err), "start the broker, or fix TRIBUTARY_KAFKA_BROKERS and TRIBUTARY_KAFKA_CA")
	case time.Until(end) < certificateEnds:
		d.Report.Add("Kafka", doctor.Warn, broker+" has a certificate that ends on "+end.UTC().Format(time.DateOnly), "renew it, and start the broker again")
	default:
		d.Report.Add("Kafka", doctor.OK, "TLS with "+broker+", whose certificate ends on "+end.UTC().Format(time.DateOnly), "")
	}
}

// ownRights judges what the brokers let this command's user do: an operator reads.
func (d *Doctor) ownRights(own []Right) {
	before := len(d.Report.Findings)
	for _, topic := range Topics() {
		var beyond []string
		reads := slices.ContainsFunc(own, func(r Right) bool { return r.Topic == topic && r.Operation == "Read" })
		for _, r := range own {
			if r.Topic == topic && r.Operation != "Read" && r.Operation != "Create" {
				beyond = append(beyond, r.Operation)
			}
		}
		name := d.Cluster.Prefix + topic
		if len(beyond) > 0 {
			d.Report.Add("Kafka", doctor.Wrong, "this user may "+strings.Join(beyond, ", ")+" topic "+name+", as only its own role should: it is a super user, or nobody's rights are checked",
				"log in as "+string(Operator)+", and set authorizer.class.name on the brokers: docs/kafka.md")
		} else if !reads && len(own) > 0 {
			d.Report.Add("Kafka", doctor.Warn, "this user may not read topic "+name, "run tributary migrate --kafka-passwords FILE, or log in as "+string(Operator))
		}
	}
	if len(d.Report.Findings) == before && len(own) > 0 {
		d.Report.Add("Kafka", doctor.OK, "the rights of "+own[0].User+" are those of the operator", "")
	}
}

// foreignRights names who may do what no role does.
func (d *Doctor) foreignRights(excess []Right) {
	for _, r := range excess {
		says, h := "topic "+d.Cluster.Prefix+r.Topic, doctor.Wrong
		if r.Topic == "" {
			says = "the cluster"
		}
		if r.Operation == "Read" && !slices.Contains(Roles(), Role(r.User)) && r.User != "*" {
			h = doctor.Warn // a consumer of the operator's own
		}
		d.Report.Add("Kafka", h, fmt.Sprintf("%s has the right %s on %s, which no role needs", r.User, r.Operation, says), "take it away with kafka-acls.sh --remove, unless it is for a program of your own")
	}
}

func (d *Doctor) broker(b Broker) {
	before := len(d.Report.Findings)
	if len(b.Open) > 0 {
		d.Report.Add("Kafka", doctor.Wrong, "the broker "+b.Address+" has listeners that ask nobody for a password: "+strings.Join(b.Open, ", "), "let them be SASL_SSL, SSL with ssl.client.auth=required, or on loopback")
	}
	if b.Unchecked {
		d.Report.Add("Kafka", doctor.Wrong, "the broker "+b.Address+" checks nobody's rights", "set authorizer.class.name")
	}
	if b.Everyone {
		d.Report.Add("Kafka", doctor.Wrong, "the broker "+b.Address+" lets everybody do everything with topics without grants", "set allow.everyone.if.no.acl.found=false")
	}
	if len(d.Report.Findings) == before {
		d.Report.Add("Kafka", doctor.OK, "the broker "+b.Address+" asks everybody for a password and checks rights", "")
	}
}
