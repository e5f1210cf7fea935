package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	fetchapi "github.com/segmentio/kafka-go/protocol/fetch"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"

	"tributary/internal/event"
)

// The requests and answers that are read and written here by hand are held against kafka-go's own, which have met
// every version of Kafka.

func TestARequestToProduceIsByteForByteTheLibrarys(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_123)
	records := []Record{
		{Key: []byte("k"), Value: []byte("v"), Spool: [16]byte{1, 2, 3}, Seq: 1},
		{Value: bytes.Repeat([]byte("long"), 5000), Spool: [16]byte{1, 2, 3}, Seq: 1 << 40},
		{Key: []byte{}, Value: []byte{}, Seq: 3},
	}
	for range 200 { // so that offsets take two bytes
		records = append(records, Record{Key: []byte("k"), Value: []byte("v"), Seq: 4})
	}
	var theirs []protocol.Record
	by := sealingOf("a.topic", 3)
	for _, r := range records {
		theirs = append(theirs, protocol.Record{
			Time: now, Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value),
			Headers: []protocol.Header{
				{Key: event.HeaderSpool, Value: r.Spool[:]},
				{Key: event.HeaderSequence, Value: binary.BigEndian.AppendUint64(nil, r.Seq)},
				{Key: event.HeaderFormat, Value: []byte(event.Format)},
				{Key: event.HeaderSeal, Value: by.sign(nil, &r)},
			},
		})
	}
	var want bytes.Buffer
	if err := protocol.WriteRequest(&want, produceVersion, correlation, clientID, &produceapi.Request{
		Acks: -1, Timeout: int32(brokerTimeout.Milliseconds()),
		Topics: []produceapi.RequestTopic{{Topic: "a.topic", Partitions: []produceapi.RequestPartition{{
			Partition: 3, RecordSet: protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(theirs...)},
		}}}},
	}); err != nil {
		t.Fatal(err)
	}
	got := appendProduce(nil, "a.topic", 3, records, by, now)
	binary.BigEndian.PutUint32(got, uint32(len(got)-4))
	if !bytes.Equal(got, want.Bytes()) {
		t.Error(cmp.Diff(want.Bytes(), got))
	}
}

func TestARequestToFetchIsByteForByteTheLibrarys(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	if err := protocol.WriteRequest(&want, fetchVersion, correlation, clientID, &fetchapi.Request{
		ReplicaID: -1, MaxWaitTime: 250, MinBytes: 1, MaxBytes: 1 << 20, SessionEpoch: -1,
		Topics: []fetchapi.RequestTopic{{Topic: "a.topic", Partitions: []fetchapi.RequestPartition{{
			Partition: 3, CurrentLeaderEpoch: -1, FetchOffset: 1 << 33, LogStartOffset: -1, PartitionMaxBytes: 1 << 20,
		}}}},
	}); err != nil {
		t.Fatal(err)
	}
	got := fetchRequest{name: "a.topic", partition: 3, offset: 1 << 33, maxBytes: 1 << 20, maxWait: 250 * time.Millisecond}.append(nil)
	binary.BigEndian.PutUint32(got, uint32(len(got)-4))
	if !bytes.Equal(got, want.Bytes()) {
		t.Error(cmp.Diff(want.Bytes(), got))
	}
}

// answer gives what follows the correlation id.
func answer(t *testing.T, version int16, m protocol.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := protocol.WriteResponse(&b, version, correlation, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[8:]
}

func TestAnswersOfTheLibraryAreUnderstood(t *testing.T) {
	t.Parallel()
	produced := func(p produceapi.ResponsePartition) []byte {
		return answer(t, produceVersion, &produceapi.Response{
			ThrottleTimeMs: 7, Topics: []produceapi.ResponseTopic{{Topic: "a.topic", Partitions: []produceapi.ResponsePartition{p}}},
		})
	}
	if err := readProduced(produced(produceapi.ResponsePartition{Partition: 3, BaseOffset: 99})); err != nil {
		t.Errorf("an acknowledgement gave %v", err)
	}
	refused := produced(produceapi.ResponsePartition{
		Partition: 3, ErrorCode: int16(kafka.InvalidRecord), ErrorMessage: "because",
		RecordErrors: []produceapi.ResponseError{{BatchIndex: 1, BatchIndexErrorMessage: "this one"}, {BatchIndex: 2}},
	})
	if err := readProduced(refused); !errors.Is(err, kafka.InvalidRecord) || !strings.Contains(err.Error(), "because") {
		t.Errorf("a refusal gave %v", err)
	}
	for n := range refused {
		if err := readProduced(refused[:n]); err == nil {
			t.Fatalf("%d bytes of %d gave no error", n, len(refused))
		}
	}
	fetched := func(whole int16, p fetchapi.ResponsePartition) []byte {
		return answer(t, fetchVersion, &fetchapi.Response{
			ErrorCode: whole, Topics: []fetchapi.ResponseTopic{{Topic: "a.topic", Partitions: []fetchapi.ResponsePartition{p}}},
		})
	}
	records := protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(protocol.Record{Value: protocol.NewBytes([]byte("v"))})}
	data, end, err := readFetched(fetched(0, fetchapi.ResponsePartition{
		Partition: 3, HighWatermark: 9, AbortedTransactions: []fetchapi.ResponseTransaction{{ProducerID: 1}, {ProducerID: 2}}, RecordSet: records,
	}))
	if err != nil || end != 9 {
		t.Fatalf("the records end at %d, %v", end, err)
	}
	if data, _, err := readFetched(answer(t, fetchVersion, &fetchapi.Response{ThrottleTimeMs: 7})); err != nil || len(data) != 0 {
		t.Errorf("an answer that only says how long to be still gave %d bytes, %v", len(data), err)
	}
	if _, _, err := readFetched(answer(t, fetchVersion, &fetchapi.Response{})); err == nil {
		t.Error("an answer about nothing gave no error")
	}
	if got, err := (fetchRequest{partition: 3}).decode(data); err != nil || len(got) != 1 || string(got[0].Value) != "v" || got[0].Seal != Forged {
		t.Errorf("the record gave %v, %v", got, err)
	}
	nothing := func() protocol.RecordSet { // a reader of records can be read once
		return protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(protocol.Record{})}
	}
	if _, _, err := readFetched(fetched(0, fetchapi.ResponsePartition{ErrorCode: int16(kafka.OffsetOutOfRange), RecordSet: nothing()})); !errors.Is(err, kafka.OffsetOutOfRange) {
		t.Errorf("an error of the partition gave %v", err)
	}
	if _, _, err := readFetched(fetched(int16(kafka.FetchSessionIDNotFound), fetchapi.ResponsePartition{RecordSet: nothing()})); !errors.Is(err, kafka.FetchSessionIDNotFound) {
		t.Errorf("an error of the whole answer gave %v", err)
	}
}
