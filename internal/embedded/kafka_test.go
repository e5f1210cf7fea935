package embedded

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const testTopic = "tributary.kept"

// kafkaClient is closed when the test ends.
func kafkaClient(t *testing.T, a Addresses, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(a.KafkaBrokers))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// writeKafka creates a topic of three partitions and an own retention, and waits for the acknowledgement of 300 records.
func writeKafka(t *testing.T, a Addresses) {
	t.Helper()
	client := kafkaClient(t, a, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = testTopic, 3, 1
	config := kmsg.NewCreateTopicsRequestTopicConfig()
	config.Name, config.Value = "retention.ms", new("3600000")
	topic.Configs = append(topic.Configs, config)
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), client)
	if err != nil || response.Topics[0].ErrorCode != 0 {
		t.Fatalf("creating topic: %v %+v", err, response)
	}
	var records []*kgo.Record
	for i := range 300 {
		records = append(records, &kgo.Record{Topic: testTopic, Partition: int32(i % 3), Value: fmt.Appendf(nil, "%d", i)})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
}

func readKafka(t *testing.T, a Addresses) {
	t.Helper()
	client := kafkaClient(t, a, kgo.ConsumeTopics(testTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next := map[int32]int{0: 0, 1: 1, 2: 2}
	for got := 0; got < 300; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("fetching after %d records: %v", got, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := strconv.Itoa(next[r.Partition]); string(r.Value) != want {
				t.Errorf("partition %d offset %d holds %s, want %s", r.Partition, r.Offset, r.Value, want)
			}
			next[r.Partition] += 3
			got++
		})
	}
	checkRetention(t, client)
}

func checkRetention(t *testing.T, client *kgo.Client) {
	t.Helper()
	request := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, testTopic
	resource.ConfigNames = []string{"retention.ms"}
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	configs := response.Resources[0].Configs
	if len(configs) != 1 || configs[0].Value == nil || *configs[0].Value != "3600000" {
		t.Errorf("the topic's retention is %+v, want 3600000", configs)
	}
}
