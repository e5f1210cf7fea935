package stream_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"go.uber.org/goleak"

	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/test/engines"
)

func TestClosingLeavesNothingBehind(t *testing.T) {
	cluster := engines.Kafka(t)
	before := goleak.IgnoreCurrent()
	c := cluster.Open(t)
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := c.Produce(t.Context(), topic, 0, numbered(1, 1, 3)); err != nil {
		t.Fatal(err)
	}
	polled := make(chan error)
	go func() {
		_, err := c.Fetch(context.WithoutCancel(t.Context()), topic, 0, 3, 1<<20, time.Minute)
		polled <- err
	}()
	if _, err := c.Fetch(t.Context(), topic, 0, 3, 1<<20, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-polled; err == nil {
		t.Error("a fetch under way when the client was closed gave no error")
	}
	if err := c.Produce(t.Context(), topic, 0, numbered(1, 4, 1)); err == nil || stream.IsPermanent(err) {
		t.Errorf("producing by a closed client gave %v", err)
	}
	goleak.VerifyNone(t, before)
}

func TestRecordsComeBackAsTheyWereSent(t *testing.T) {
	t.Parallel()
	c := open(t, 3)
	sent := numbered(1, 1, 700)
	sent[0].Key, sent[1].Key = nil, []byte{}
	sent[2].Value = []byte{}
	sent[3].Value = []byte(strings.Repeat("x", event.MaxBytes))
	sent[699].Seq = 1<<64 - 1
	start := time.Now().Truncate(time.Millisecond)
	for _, part := range [][]stream.Record{sent[:1], sent[1:500], sent[500:]} {
		if err := c.Produce(t.Context(), topic, 2, part); err != nil {
			t.Fatal(err)
		}
	}
	got := fetchAll(t, c, 2, 0, len(sent), 1<<20)
	for i := range sent {
		sent[i].Partition, sent[i].Offset = 2, int64(i)
		if got[i].Time.Before(start) || got[i].Time.After(time.Now()) {
			t.Fatalf("record %d is of %v", i, got[i].Time)
		}
	}
	if diff := cmp.Diff(sent, got, cmpopts.IgnoreFields(stream.Record{}, "Time", "Seal", "KeyID")); diff != "" {
		t.Error(diff)
	}
	if first, end, err := c.Offsets(t.Context(), topic, 2); err != nil || first != 0 || end != 700 {
		t.Errorf("Offsets() = %d, %d, %v; want 0, 700", first, end, err)
	}
	if first, end, err := c.Offsets(t.Context(), topic, 1); err != nil || first != 0 || end != 0 {
		t.Errorf("Offsets() of an empty partition = %d, %d, %v", first, end, err)
	}
}

func fetchAll(t *testing.T, c *stream.Client, partition int, offset int64, n, maxBytes int) []stream.Record {
	t.Helper()
	var got []stream.Record
	for len(got) < n {
		records, err := c.Fetch(t.Context(), topic, partition, offset+int64(len(got)), maxBytes, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			t.Fatalf("there are %d records, not %d", len(got), n)
		}
		got = append(got, records...)
	}
	return got
}

func TestFetchBeginsWithinABatchAndKeepsToItsLimit(t *testing.T) {
	t.Parallel()
	c := open(t, 1)
	for first := 1; first < 3000; first += 100 {
		if err := c.Produce(t.Context(), topic, 0, numbered(1, first, 100)); err != nil {
			t.Fatal(err)
		}
	}
	records, err := c.Fetch(t.Context(), topic, 0, 250, 64<<10, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if records[0].Offset != 250 || records[0].Seq != 251 {
		t.Errorf("the first record is at offset %d with sequence %d", records[0].Offset, records[0].Seq)
	}
	bytes := 0
	for _, r := range records {
		bytes += len(r.Value)
	}
	if bytes > 64<<10 || bytes < 16<<10 {
		t.Errorf("%d bytes came back where 64 KiB were asked for", bytes)
	}
	tiny := fetchAll(t, c, 0, 0, 3000, 1)
	if len(tiny) != 3000 {
		t.Errorf("with a limit of one byte %d records came back", len(tiny))
	}
}

func TestFetchWaitsForTheNextRecordAndNotForLonger(t *testing.T) {
	t.Parallel()
	c := open(t, 1)
	start := time.Now()
	records, err := c.Fetch(t.Context(), topic, 0, 0, 1<<20, 300*time.Millisecond)
	if err != nil || len(records) != 0 {
		t.Fatalf("an empty partition gave %d records, %v", len(records), err)
	}
	if took := time.Since(start); took < 250*time.Millisecond || took > 3*time.Second {
		t.Errorf("waited %v, not 300 ms", took)
	}
	got := make(chan int)
	go func() {
		records, _ := c.Fetch(t.Context(), topic, 0, 0, 1<<20, 30*time.Second)
		got <- len(records)
	}()
	if err := c.Produce(t.Context(), topic, 0, numbered(1, 1, 1)); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-got:
		if n != 1 {
			t.Errorf("the waiting fetch got %d records", n)
		}
	case <-time.After(time.Minute):
		t.Error("the waiting fetch did not see the record")
	}
}

// TestARecordOfSomebodyElseIsForged produces as another program that has the password, and not the keys: bare records, and
// copies of a genuine one.
func TestARecordOfSomebodyElseIsForged(t *testing.T) {
	t.Parallel()
	cluster := engines.Kafka(t)
	c := cluster.Open(t)
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := c.Produce(t.Context(), topic, 0, numbered(1, 1, 1)); err != nil {
		t.Fatal(err)
	}
	response, err := foreigner(t, cluster).Fetch(t.Context(), &kafka.FetchRequest{Topic: cluster.Prefix + topic, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	genuine, err := response.Records.ReadRecord()
	if err != nil {
		t.Fatal(err)
	}
	value, err := protocol.ReadAll(genuine.Value)
	if err != nil {
		t.Fatal(err)
	}
	with := func(key string, value []byte) []kafka.Header {
		all := slices.Clone(genuine.Headers)
		i := slices.IndexFunc(all, func(h kafka.Header) bool { return h.Key == key })
		if all = slices.Delete(all, i, i+1); value != nil {
			all = append(all, header(key, value))
		}
		return all
	}
	mac := genuine.Headers[slices.IndexFunc(genuine.Headers, func(h kafka.Header) bool { return h.Key == event.HeaderSeal })].Value
	for offset, row := range []struct {
		name    string
		headers []kafka.Header
		want    stream.Seal
	}{
		{"no headers", nil, stream.Forged},
		{"no spool", with(event.HeaderSpool, nil), stream.Forged},
		{"a short spool", with(event.HeaderSpool, []byte("short")), stream.Forged},
		{"another spool", with(event.HeaderSpool, make([]byte, 16)), stream.Forged},
		{"no sequence", with(event.HeaderSequence, nil), stream.Forged},
		{"a short sequence", with(event.HeaderSequence, []byte{1}), stream.Forged},
		{"sequence 0", with(event.HeaderSequence, make([]byte, 8)), stream.Forged},
		{"the next sequence", with(event.HeaderSequence, []byte{0, 0, 0, 0, 0, 0, 0, 2}), stream.Forged},
		{"no format", with(event.HeaderFormat, nil), stream.Forged},
		{"another format", with(event.HeaderFormat, []byte("99")), stream.Forged},
		{"no signature", with(event.HeaderSeal, nil), stream.Forged},
		{"the signature of an unknown key", with(event.HeaderSeal, append([]byte{mac[0] + 1}, mac[1:]...)), stream.UnknownKey},
		{"the very same", genuine.Headers, stream.Genuine},
	} {
		foreign(t, cluster, topic, 0, kafka.Record{Value: protocol.NewBytes(value), Headers: row.headers})
		got := fetchAll(t, c, 0, int64(offset+1), 1, 1<<20)
		if len(got) != 1 || got[0].Seal != row.want || string(got[0].Value) != string(value) {
			t.Errorf("%s: the seal is %d, want %d", row.name, got[0].Seal, row.want)
		}
	}
	// A client without keys believes nothing and says nothing.
	cluster.Keys = nil
	bare := cluster.Open(t)
	if got := fetchAll(t, bare, 0, 0, 1, 1<<20); got[0].Seal != stream.Forged {
		t.Errorf("without keys the seal is %d", got[0].Seal)
	}
	if err := bare.Produce(t.Context(), topic, 0, numbered(1, 1, 1)); err == nil {
		t.Error("a client without keys produces")
	}
}

func header(key string, value []byte) kafka.Header { return kafka.Header{Key: key, Value: value} }

// foreigner is kafka-go itself.
func foreigner(t *testing.T, cluster engines.Cluster) *kafka.Client {
	t.Helper()
	client, err := stream.ClientOf(cluster.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Transport.(*kafka.Transport).CloseIdleConnections)
	return client
}

// foreign produces by kafka-go itself.
func foreign(t *testing.T, cluster engines.Cluster, topic string, codec kafka.Compression, records ...kafka.Record) {
	t.Helper()
	response, err := foreigner(t, cluster).Produce(t.Context(), &kafka.ProduceRequest{
		Topic: cluster.Prefix + topic, RequiredAcks: kafka.RequireAll, Compression: codec, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestBatchesOfOtherClientsAreReadInEveryCompression(t *testing.T) {
	t.Parallel()
	for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			t.Parallel()
			cluster := engines.Kafka(t)
			c := cluster.Open(t)
			if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(-time.Minute).Truncate(time.Millisecond).UTC()
			var records []kafka.Record
			for i := range 100 {
				records = append(records, kafka.Record{
					Time: at.Add(time.Duration(i) * time.Millisecond), Key: protocol.NewBytes([]byte("k")), Value: protocol.NewBytes([]byte(strings.Repeat("v", i))),
					Headers: []kafka.Header{
						header("other", []byte("not ours")), header(event.HeaderFormat, []byte(event.Format)),
						header(event.HeaderSequence, []byte{0, 0, 0, 0, 0, 0, 1, byte(i)}), header(event.HeaderSpool, []byte("0123456789abcdef")),
					},
				})
			}
			foreign(t, cluster, topic, codec, records...)
			for i, got := range fetchAll(t, c, 0, 0, 100, 1<<20) {
				want := stream.Record{
					Offset: int64(i), Key: []byte("k"), Value: []byte(strings.Repeat("v", i)), Spool: [16]byte([]byte("0123456789abcdef")),
					Seq: 256 + uint64(i), Time: at.Add(time.Duration(i) * time.Millisecond),
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(stream.Record{}, "Headers")); diff != "" {
					t.Fatal(diff)
				}
			}
		})
	}
}

func TestAnOffsetThatKafkaDoesNotHoldIsAGap(t *testing.T) {
	t.Parallel()
	cluster := engines.Kafka(t)
	c := cluster.Open(t)
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := c.Produce(t.Context(), topic, 0, numbered(1, 1, 10)); err != nil {
		t.Fatal(err)
	}
	var gap *stream.GapError
	if _, err := c.Fetch(t.Context(), topic, 0, 11, 1<<20, time.Second); !errors.As(err, &gap) {
		t.Fatalf("an offset behind the end gave %v", err)
	}
	if gap.Want != 11 || gap.First != 0 || gap.End != 10 {
		t.Errorf("the gap is %+v", gap)
	}
	before := logOf(t, c)
	client := foreigner(t, cluster)
	if _, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{cluster.Prefix + topic}}); err != nil {
		t.Fatal(err)
	}
	// The topic is recreated: positions of the old one lie behind its end.
	deadline := time.Now().Add(time.Minute)
	for {
		err := c.CreateTopics(t.Context(), 1, time.Hour)
		if err == nil {
			_, err = c.Fetch(t.Context(), topic, 0, 10, 1<<20, 100*time.Millisecond)
		}
		if errors.As(err, &gap) && gap.End == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("an offset of the deleted topic gave %v", err)
		}
	}
	if after := logOf(t, c); after == before || len(after) != 32 || len(before) != 32 {
		t.Errorf("the id of the topic was %q and is %q", before, after)
	}
}

func logOf(t *testing.T, c *stream.Client) string {
	t.Helper()
	id, err := c.Log(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTopicsAreMadeOnceAndKeepTheirPartitions(t *testing.T) {
	t.Parallel()
	cluster := engines.Kafka(t)
	c := cluster.Open(t)
	for range 2 {
		if err := c.CreateTopics(t.Context(), 4, 36*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	err := c.CreateTopics(t.Context(), 5, 36*time.Hour)
	if err == nil || !strings.Contains(err.Error(), "has 4 partitions, but 5 are configured") {
		t.Errorf("another number of partitions gave %v", err)
	}
	client := foreigner(t, cluster)
	for _, name := range []string{event.Touches, event.Orders, event.Decisions} {
		described, err := client.DescribeConfigs(t.Context(), &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: cluster.Prefix + name}},
		})
		if err != nil {
			t.Fatal(err)
		}
		values := make(map[string]string)
		for _, entry := range described.Resources[0].ConfigEntries {
			values[entry.ConfigName] = entry.ConfigValue
		}
		if values["retention.ms"] != "129600000" || values["cleanup.policy"] != "delete" {
			t.Errorf("%s has retention.ms %q and cleanup.policy %q", name, values["retention.ms"], values["cleanup.policy"])
		}
		if kind, set := values["message.timestamp.type"]; set && kind != "CreateTime" {
			t.Errorf("%s has message.timestamp.type %q", name, kind)
		}
	}
}

func TestWhatKafkaRefusesForGoodIsToldFromWhatItMayTakeLater(t *testing.T) {
	t.Parallel()
	c := open(t, 1)
	big := make([]stream.Record, 16)
	for i := range big {
		big[i] = stream.Record{Value: make([]byte, event.MaxBytes), Seq: uint64(i + 1)}
	}
	err := c.Produce(t.Context(), topic, 0, big)
	if !stream.IsPermanent(err) || !stream.IsTooLarge(err) {
		t.Errorf("a request of 3 MiB gave %v", err)
	}
	if err := c.Produce(t.Context(), topic, 7, numbered(1, 1, 1)); err == nil || stream.IsPermanent(err) {
		t.Errorf("a partition that does not exist gave %v", err)
	}
	if err := c.Produce(t.Context(), "nowhere", 0, numbered(1, 1, 1)); err == nil || stream.IsPermanent(err) {
		t.Errorf("a topic that does not exist gave %v", err)
	}
	for code, permanent := range map[error]bool{
		kafka.TopicAuthorizationFailed: true, kafka.InvalidTimestamp: true, kafka.PolicyViolation: true, kafka.InvalidRecord: true,
		kafka.NotLeaderForPartition: false, kafka.NotEnoughReplicas: false, kafka.RequestTimedOut: false, kafka.UnknownTopicOrPartition: false,
		kafka.BrokerNotAvailable: false, kafka.Unknown: false, kafka.KafkaStorageError: false, protocol.ErrNoLeader: false,
		context.DeadlineExceeded: false, errors.New("EOF"): false,
	} {
		if stream.IsPermanent(code) != permanent {
			t.Errorf("IsPermanent(%v) = %v", code, !permanent)
		}
	}
}

func TestABrokerThatIsAwayGivesAnErrorInTime(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := listener.Addr().String() // takes connections and never answers
	t.Cleanup(func() { _ = listener.Close() })
	for name, address := range map[string]string{"nobody listens": "127.0.0.1:1", "nobody answers": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := engines.Cluster{Cluster: stream.Cluster{Brokers: []string{address}}}.Open(t)
			start := time.Now()
			if err := c.Produce(t.Context(), topic, 0, numbered(1, 1, 1)); err == nil || stream.IsPermanent(err) {
				t.Errorf("Produce gave %v", err)
			}
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("Produce took %v", took)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := c.Fetch(ctx, topic, 0, 0, 1<<20, time.Minute); err == nil {
				t.Error("Fetch gave no error")
			}
			if _, _, err := c.Offsets(ctx, topic, 0); err == nil {
				t.Error("Offsets gave no error")
			}
		})
	}
}
