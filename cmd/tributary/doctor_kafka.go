package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tributary/internal/stream"
)

// minRequest is what the brokers must take in one request: see packages relay and engine.
const minRequest = 1 << 20 * 96 / 100

// kafka looks at the topics. Kafka does not tell its time.
func (d *doctor) kafka(ctx context.Context, s stores) {
	const area = "Kafka"
	client, err := stream.Open(s.kafka, d.log)
	if err != nil {
		d.note(area, wrong, problem(err), "fix the settings "+envName("kafka-tls")+" and those beside it")
		return
	}
	defer client.Close()
	if len(d.cfg.KafkaBrokers) > 0 {
		d.kafkaAccess(ctx, client)
	}
	topics, err := client.Describe(ctx)
	if err != nil {
		remedy := "start the brokers, or fix " + envName("kafka-brokers") + "; a broker must be reachable under the name it advertises"
		if stream.Refused(err) {
			remedy = "run tributary migrate --kafka-passwords FILE, log in as " + string(stream.Operator) + ", or fix " + envName("kafka-prefix")
		}
		d.note(area, wrong, problem(err), remedy)
		return
	}
	for _, t := range topics {
		before := len(d.readings)
		if d.topic(d.cfg.KafkaPrefix+t.Name, t); len(d.readings) == before {
			d.note(area, fine, fmt.Sprintf("topic %s%s has %d partitions of %d replicas, kept for %s, time stamps %s",
				d.cfg.KafkaPrefix, t.Name, t.Partitions, t.Replicas, t.Retention, t.TimestampType), "")
		}
	}
}

// topic looks at one topic.
func (d *doctor) topic(name string, t stream.Topic) {
	bad := func(h health, remedy, format string, args ...any) {
		d.note("Kafka", h, "topic "+name+" "+fmt.Sprintf(format, args...), remedy)
	}
	embeddedOne := len(d.cfg.KafkaBrokers) == 0
	if t.Missing {
		bad(wrong, "run tributary migrate", "does not exist")
		return
	}
	if t.Partitions != d.cfg.Partitions {
		bad(wrong, "set it to the topic's number, or give new topics another "+envName("kafka-prefix"), "has %d partitions, and %s is %d", t.Partitions, envName("partitions"), d.cfg.Partitions)
	}
	if t.Leaderless > 0 {
		bad(wrong, "bring the missing brokers back", "has %d partitions without a leader", t.Leaderless)
	}
	if t.Policy != "" && t.Policy != "delete" {
		bad(wrong, "set cleanup.policy=delete", "has cleanup.policy %s: compaction removes records that are needed", t.Policy)
	}
	if t.Retention >= 0 && t.Retention < d.cfg.Retention {
		bad(odd, "set its retention.ms, or "+envName("retention"), "keeps records for %s, and %s is %s", t.Retention, envName("retention"), d.cfg.Retention)
	}
	if t.RetentionBytes > 0 {
		bad(odd, "set retention.bytes=-1, and watch the disk", "gives records up beyond %d bytes, read or not", t.RetentionBytes)
	}
	if t.MaxBytes > 0 && t.MaxBytes < minRequest {
		bad(wrong, "set max.message.bytes to 1 MiB", "takes requests up to %d bytes, and they may have %d", t.MaxBytes, minRequest)
	}
	if t.InSync < t.Replicas {
		bad(odd, "bring the missing brokers back", "has %d of %d replicas in sync", t.InSync, t.Replicas)
	}
	switch {
	case t.MinInSync > t.Replicas:
		bad(wrong, "set min.insync.replicas below the number of replicas", "wants %d replicas in sync and has %d: nothing can be written", t.MinInSync, t.Replicas)
	case t.Replicas > 2 && t.MinInSync < 2:
		bad(odd, "set min.insync.replicas=2", "acknowledges what a single broker has")
	case t.Replicas < 2 && !embeddedOne:
		bad(odd, "with three brokers: three replicas and min.insync.replicas=2", "has a single copy; the trackers' spools keep another for %s", d.cfg.SpoolKeep)
	}
}

// certificateEnds is how long before a broker's certificate ends that is worth saying.
const certificateEnds = 30 * 24 * time.Hour

// kafkaAccess looks at who may speak to brokers of one's own, and what each may do there.
func (d *doctor) kafkaAccess(ctx context.Context, client *stream.Client) {
	const area = "Kafka"
	cluster := d.cfg.kafkaCluster()
	if cluster.User == "" {
		d.note(area, wrong, "no user is set: whoever reaches the brokers can report orders and delete topics", "give each role a user: docs/kafka.md")
	}
	for _, broker := range cluster.Brokers {
		switch {
		case cluster.TLS:
			d.certificate(ctx, client, broker)
		case !isLoopback(broker):
			d.note(area, wrong, "what is sent to "+broker+" can be read and changed on the way", "set "+envName("kafka-tls"))
		}
		if stream.Anonymous(ctx, cluster, broker) {
			d.note(area, wrong, broker+" answers who has shown no password", "let its listener be SASL_SSL: docs/kafka.md")
		}
	}
	own, err := client.Own(ctx)
	if err != nil {
		d.note(area, wrong, problem(err), "start the brokers, or fix user and password")
		return
	}
	d.ownRights(own)
	excess, err := client.Excess(ctx)
	if err != nil {
		d.note(area, odd, problem(err), "grant Describe on the cluster to "+string(stream.Operator))
	}
	d.foreignRights(excess)
	brokers, err := client.Brokers(ctx)
	if err != nil {
		d.note(area, odd, problem(err), "grant DescribeConfigs on the cluster to "+string(stream.Operator))
	}
	for _, b := range brokers {
		d.broker(b)
	}
}

func (d *doctor) certificate(ctx context.Context, client *stream.Client, broker string) {
	end, err := client.Expiry(ctx, broker)
	switch {
	case err != nil:
		d.note("Kafka", wrong, problem(err), "start the broker, or fix "+envName("kafka-brokers")+" and "+envName("kafka-ca"))
	case time.Until(end) < certificateEnds:
		d.note("Kafka", odd, broker+" has a certificate that ends on "+end.UTC().Format(time.DateOnly), "renew it, and start the broker again")
	default:
		d.note("Kafka", fine, "TLS with "+broker+", whose certificate ends on "+end.UTC().Format(time.DateOnly), "")
	}
}

// ownRights judges what the brokers let this command's user do: an operator reads.
func (d *doctor) ownRights(own []stream.Right) {
	before := len(d.readings)
	for _, topic := range stream.Topics() {
		var beyond []string
		reads := slices.ContainsFunc(own, func(r stream.Right) bool { return r.Topic == topic && r.Operation == "Read" })
		for _, r := range own {
			if r.Topic == topic && r.Operation != "Read" && r.Operation != "Create" {
				beyond = append(beyond, r.Operation)
			}
		}
		name := d.cfg.KafkaPrefix + topic
		if len(beyond) > 0 {
			d.note("Kafka", wrong, "this user may "+strings.Join(beyond, ", ")+" topic "+name+", as only its own role should: it is a super user, or nobody's rights are checked",
				"log in as "+string(stream.Operator)+", and set authorizer.class.name on the brokers: docs/kafka.md")
		} else if !reads && len(own) > 0 {
			d.note("Kafka", odd, "this user may not read topic "+name, "run tributary migrate --kafka-passwords FILE, or log in as "+string(stream.Operator))
		}
	}
	if len(d.readings) == before && len(own) > 0 {
		d.note("Kafka", fine, "the rights of "+own[0].User+" are those of the operator", "")
	}
}

// foreignRights names who may do what no role does.
func (d *doctor) foreignRights(excess []stream.Right) {
	for _, r := range excess {
		says, h := "topic "+d.cfg.KafkaPrefix+r.Topic, wrong
		if r.Topic == "" {
			says = "the cluster"
		}
		if r.Operation == "Read" && !slices.Contains(stream.Roles(), stream.Role(r.User)) && r.User != "*" {
			h = odd // a consumer of the operator's own
		}
		d.note("Kafka", h, fmt.Sprintf("%s has the right %s on %s, which no role needs", r.User, r.Operation, says), "take it away with kafka-acls.sh --remove, unless it is for a program of your own")
	}
}

func (d *doctor) broker(b stream.Broker) {
	before := len(d.readings)
	if len(b.Open) > 0 {
		d.note("Kafka", wrong, "the broker "+b.Address+" has listeners that ask nobody for a password: "+strings.Join(b.Open, ", "), "let them be SASL_SSL, SSL with ssl.client.auth=required, or on loopback")
	}
	if b.Unchecked {
		d.note("Kafka", wrong, "the broker "+b.Address+" checks nobody's rights", "set authorizer.class.name")
	}
	if b.Everyone {
		d.note("Kafka", wrong, "the broker "+b.Address+" lets everybody do everything with topics without grants", "set allow.everyone.if.no.acl.found=false")
	}
	if len(d.readings) == before {
		d.note("Kafka", fine, "the broker "+b.Address+" asks everybody for a password and checks rights", "")
	}
}
