package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// Topic is how the brokers keep one of the river's topics.
type Topic struct {
	// Name is without the prefix. A topic that is Missing has no other fields.
	Name    string
	Missing bool

	Partitions int
	// Replicas and InSync are those of the partition that has the fewest. Leaderless partitions can be neither read nor
	// written.
	Replicas, InSync, Leaderless int

	// Retention is how long records are kept; below 0 for ever. RetentionBytes bounds a partition; below 0 nothing does.
	Retention      time.Duration
	RetentionBytes int64
	// Policy is delete, compact, or both.
	Policy string
	// MinInSync is how many replicas must have a record before it is acknowledged.
	MinInSync int
	// MaxBytes bounds a request.
	MaxBytes int64
	// TimestampType is CreateTime or LogAppendTime.
	TimestampType string
}

// Describe asks the brokers how they keep the topics of the river.
func (c *Client) Describe(ctx context.Context) ([]Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	all := make([]Topic, 0, len(Topics()))
	for _, name := range Topics() {
		t, err := c.describe(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("describing topic %s: %w", c.prefix+name, c.explain(err))
		}
		all = append(all, t)
	}
	return all, nil
}

func (c *Client) describe(ctx context.Context, name string) (Topic, error) {
	t := Topic{Name: name}
	admin := c.link.Load().admin
	metadata, err := admin.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{c.prefix + name}})
	if err != nil {
		return t, err //nolint:wrapcheck // the caller names the topic
	}
	if len(metadata.Topics) == 0 || errors.Is(metadata.Topics[0].Error, kafka.UnknownTopicOrPartition) {
		t.Missing = true
		return t, nil
	}
	if err := metadata.Topics[0].Error; err != nil {
		return t, err
	}
	t.count(metadata.Topics[0].Partitions)
	settings, err := admin.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: c.prefix + name}},
	})
	if err != nil {
		return t, err //nolint:wrapcheck // as above
	}
	for _, r := range settings.Resources {
		if r.Error != nil {
			return t, r.Error
		}
		for _, e := range r.ConfigEntries {
			t.set(e.ConfigName, e.ConfigValue)
		}
	}
	return t, nil
}

func (t *Topic) count(partitions []kafka.Partition) {
	t.Partitions = len(partitions)
	for i, p := range partitions {
		if i == 0 {
			t.Replicas, t.InSync = len(p.Replicas), len(p.Isr)
		}
		t.Replicas, t.InSync = min(t.Replicas, len(p.Replicas)), min(t.InSync, len(p.Isr))
		if p.Error != nil || p.Leader.Host == "" {
			t.Leaderless++
		}
	}
}

func (t *Topic) set(name, value string) {
	number, _ := strconv.ParseInt(value, 10, 64)
	switch name {
	case "retention.ms":
		t.Retention = time.Duration(min(number, int64(1<<63-1)/int64(time.Millisecond))) * time.Millisecond
	case "retention.bytes":
		t.RetentionBytes = number
	case "cleanup.policy":
		t.Policy = value
	case "min.insync.replicas":
		t.MinInSync = int(number)
	case "max.message.bytes":
		t.MaxBytes = number
	case "message.timestamp.type":
		t.TimestampType = value
	}
}
