package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const testTopic = "tributary.kept"

// kafkaClient is closed when the test ends.
func kafkaClient(t *testing.T, a Addresses, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(a.KafkaBrokers), kgo.SASL(scram.Auth{User: a.KafkaUser, Pass: a.KafkaPassword}.AsSha256Mechanism()))...)
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

// requests are what nobody may ask for without the password.
func requests(topic string, id [16]byte) map[string]kmsg.Request {
	produce := kmsg.NewPtrProduceRequest()
	produce.Acks, produce.TimeoutMillis = -1, 1000
	produced, part := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	produced.Topic, produced.TopicID, produced.Partitions = topic, id, append(produced.Partitions, part)
	produce.Topics = append(produce.Topics, produced)

	fetch := kmsg.NewPtrFetchRequest()
	fetched, from := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	from.PartitionMaxBytes = 1 << 20
	fetched.Topic, fetched.TopicID, fetched.Partitions = topic, id, append(fetched.Partitions, from)
	fetch.MaxWaitMillis, fetch.MaxBytes, fetch.Topics = 10, 1<<20, append(fetch.Topics, fetched)

	create := kmsg.NewPtrCreateTopicsRequest()
	created := kmsg.NewCreateTopicsRequestTopic()
	created.Topic, created.NumPartitions, created.ReplicationFactor = "another", 1, 1
	create.Topics = append(create.Topics, created)

	remove := kmsg.NewPtrDeleteTopicsRequest()
	removed := kmsg.NewDeleteTopicsRequestTopic()
	removed.Topic, remove.TopicNames = new(topic), []string{topic}
	remove.Topics = append(remove.Topics, removed)

	return map[string]kmsg.Request{
		"Metadata": kmsg.NewPtrMetadataRequest(), "Produce": produce, "Fetch": fetch, "CreateTopics": create, "DeleteTopics": remove,
		"AlterUserSCRAMCredentials": kmsg.NewPtrAlterUserSCRAMCredentialsRequest(),
	}
}

func TestKafkaAnswersNobodyWithoutThePassword(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), Kafka: true, Throwaway: true}
	_, a, stop := start(t, cfg)
	writeKafka(t, a)
	var id [16]byte
	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), kafkaClient(t, a))
	if err != nil {
		t.Fatal(err)
	}
	id = metadata.Topics[0].TopicID
	auth := func(user, password string) scram.Auth { return scram.Auth{User: user, Pass: password} }
	for name, who := range map[string][]kgo.Opt{
		"nobody":                {},
		"a wrong password":      {kgo.SASL(auth(kafkaUser, "guess").AsSha256Mechanism())},
		"another user":          {kgo.SASL(auth("admin", a.KafkaPassword).AsSha256Mechanism())},
		"kfake's own log-in":    {kgo.SASL(auth("admin", "admin").AsSha256Mechanism())},
		"another mechanism":     {kgo.SASL(auth(kafkaUser, a.KafkaPassword).AsSha512Mechanism())},
		"the password in plain": {kgo.SASL(plain.Auth{User: kafkaUser, Pass: a.KafkaPassword}.AsMechanism())},
	} {
		client, err := kgo.NewClient(append(who, kgo.SeedBrokers(a.KafkaBrokers))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		for request, body := range requests(testTopic, id) {
			if response, err := client.SeedBrokers()[0].Request(t.Context(), body); err == nil {
				t.Errorf("%s: %s was answered: %+v", name, request, response)
			}
		}
	}
	readKafka(t, a) // which is all there, and nothing else
	for request, body := range requests("elsewhere", [16]byte{9}) {
		if _, err := kafkaClient(t, a).SeedBrokers()[0].Request(t.Context(), body); err != nil {
			t.Errorf("whoever has the password: %s: %v", request, err)
		}
	}

	// Another password in the file is the one that holds from the next start on.
	stop()
	path := filepath.Join(cfg.Dir, "kafka.password")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the password: %v, %v", info, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, b, _ := start(t, cfg)
	if a.KafkaPassword == b.KafkaPassword {
		t.Error("the password is the same although its file was removed")
	}
	readKafka(t, b)
	a.KafkaBrokers = b.KafkaBrokers
	if _, err := kafkaClient(t, a).SeedBrokers()[0].Request(t.Context(), kmsg.NewPtrMetadataRequest()); err == nil {
		t.Error("the former password holds still")
	}
}
