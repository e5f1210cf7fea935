package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"tributary/internal/event"
	"tributary/internal/keyring"
)

// at gives a batch of n records as a broker would hold it, beginning at an offset.
func at(offset int64, n int) []byte {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{Key: []byte("k"), Value: []byte("some value"), Spool: [16]byte{1}, Seq: uint64(offset) + uint64(i) + 1}
	}
	batch := appendBatch(nil, records, sealingOf("t", 0), time.UnixMilli(1_700_000_000_000))
	binary.BigEndian.PutUint64(batch, uint64(offset))
	return batch
}

// testKeys is a ring of one key, the same in every test.
func testKeys() *ring {
	key := keyring.Key{ID: 7}
	for i := range key.Secret {
		key.Secret[i] = byte(i)
	}
	r, err := newRing([]keyring.Key{key})
	if err != nil {
		panic(err)
	}
	return r
}

// sealingOf signs for a partition of a topic.
func sealingOf(topic string, partition int) *sealing {
	s := testKeys().first.take()
	s.name(topic, partition, []byte(event.Format))
	return s
}

// attributed changes the attributes of a batch.
func attributed(batch []byte, attributes uint16) []byte {
	binary.BigEndian.PutUint16(batch[batchCoveredAt:], attributes)
	binary.BigEndian.PutUint32(batch[batchChecksumAt:], crc32.Checksum(batch[batchCoveredAt:], castagnoli()))
	return batch
}

func TestEveryRequestAsksAllReplicasToAcknowledge(t *testing.T) {
	t.Parallel()
	if requiredAcks != -1 {
		t.Fatalf("requiredAcks is %v", requiredAcks)
	}
	head := len(appendHead(nil, protocol.Produce, produceVersion)) + 2
	request := appendProduce(nil, "t", 0, []Record{{Seq: 1}}, sealingOf("t", 0), time.Now())
	if acks := int16(binary.BigEndian.Uint16(request[head:])); acks != -1 {
		t.Errorf("a request asks for %d acknowledgements", acks)
	}
}

func TestDecodingStopsWhereTheLogIsNotAsItShouldBe(t *testing.T) {
	t.Parallel()
	flipped := at(10, 3)
	flipped[len(flipped)-5] ^= 1
	older := at(10, 3)
	older[batchMagicAt] = 1
	for _, c := range []struct {
		name   string
		data   []byte
		offset int64
		// count records come back, or the error.
		count      int
		gap, other bool
	}{
		{name: "nothing", offset: 10},
		{name: "from the start", data: at(10, 3), offset: 10, count: 3},
		{name: "from within", data: at(10, 3), offset: 12, count: 1},
		{name: "two batches", data: bytes.Join([][]byte{at(10, 3), at(13, 2)}, nil), offset: 11, count: 4},
		{name: "a batch cut off at the end", data: bytes.Join([][]byte{at(10, 3), at(13, 2)[:70]}, nil), offset: 10, count: 3},
		{name: "only a batch cut off", data: at(10, 3)[:80], offset: 10, other: true},
		{name: "the log begins later", data: at(10, 3), offset: 9, gap: true},
		{name: "a hole between batches", data: bytes.Join([][]byte{at(10, 3), at(14, 2)}, nil), offset: 10, count: 3},
		{name: "right at the hole", data: at(14, 2), offset: 13, gap: true},
		{name: "a control batch", data: attributed(at(10, 1), attributeControl), offset: 10, gap: true},
		{name: "a flipped bit", data: flipped, offset: 10, other: true},
		{name: "a flipped bit behind a good batch", data: bytes.Join([][]byte{at(7, 3), flipped}, nil), offset: 7, count: 3},
		{name: "an old format", data: older, offset: 10, other: true},
		{name: "an unknown compression", data: attributed(at(10, 3), 7), offset: 10, other: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			records, err := fetchRequest{offset: c.offset}.decode(c.data)
			var gap *GapError
			if isGap := errors.As(err, &gap); isGap != c.gap || (err != nil && !isGap) != c.other {
				t.Errorf("the error is %v", err)
			}
			if len(records) != c.count {
				t.Fatalf("%d records came back, want %d", len(records), c.count)
			}
			for i, r := range records {
				if r.Offset != c.offset+int64(i) || r.Seq != uint64(r.Offset)+1 {
					t.Errorf("record %d has offset %d, sequence %d", i, r.Offset, r.Seq)
				}
			}
		})
	}
}

func TestTheBrokersOwnTimeIsTakenWhereTheTopicSaysSo(t *testing.T) {
	t.Parallel()
	batch := at(0, 2)
	binary.BigEndian.PutUint64(batch[35:], 1_800_000_000_000) // the latest time of the batch
	records, err := fetchRequest{}.decode(attributed(batch, attributeAppended))
	if err != nil {
		t.Fatal(err)
	}
	if got := records[1].Time.UnixMilli(); got != 1_800_000_000_000 {
		t.Errorf("the time is %d", got)
	}
}

func TestTheOverheadOfARecordIsBounded(t *testing.T) {
	t.Parallel()
	r := Record{Key: make([]byte, 200), Value: make([]byte, 16<<10), Seq: 1<<64 - 1}
	if got := len(appendRecord(nil, &r, sealingOf("t", 0), 1<<30)) - len(r.Key) - len(r.Value); got > Overhead {
		t.Errorf("a record takes %d bytes besides key and value, more than %d", got, Overhead)
	}
}

// FuzzDecode gives arbitrary bytes to the reader of batches: it must neither panic nor give a record of a batch whose
// checksum is wrong.
func FuzzDecode(f *testing.F) {
	f.Add(at(10, 3), int64(10))
	f.Add(attributed(at(10, 3), 1), int64(11))
	f.Add(attributed(at(10, 3), 2), int64(11))
	f.Add(attributed(at(10, 3), 3), int64(11))
	f.Add(attributed(at(10, 3), 4), int64(11))
	f.Add(bytes.Repeat([]byte{0xff}, 200), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, offset int64) {
		for _, correct := range []bool{false, true} {
			if correct && len(data) >= batchHeader {
				data = bytes.Clone(data)
				data[batchMagicAt] = batchMagic
				binary.BigEndian.PutUint32(data[batchLengthAt:], uint32(len(data)-batchLengthAt-4))
				attributed(data, binary.BigEndian.Uint16(data[batchCoveredAt:]))
			}
			records, err := fetchRequest{offset: offset}.decode(data)
			if err != nil && len(records) > 0 {
				t.Fatal("records and an error at once")
			}
			for i, r := range records {
				if r.Offset != offset+int64(i) {
					t.Fatalf("record %d has offset %d, not %d", i, r.Offset, offset+int64(i))
				}
			}
		}
		_, _, _ = readFetched(data)
		_ = readProduced(data)
	})
}

// FuzzAnswers gives arbitrary bytes to the readers of a broker's answers.
func FuzzAnswers(f *testing.F) {
	f.Add(make([]byte, 80))
	f.Add(bytes.Repeat([]byte{0, 0, 0, 1}, 40))
	f.Add(bytes.Repeat([]byte{0x7f, 0xff, 0xff, 0xff}, 20))
	f.Fuzz(func(t *testing.T, response []byte) {
		_ = readProduced(response)
		data, _, err := readFetched(response)
		if err != nil {
			return
		}
		if len(data) > len(response) {
			t.Errorf("%d bytes of %d", len(data), len(response))
		}
		records, err := fetchRequest{name: "orders", partition: 1, offset: 3, maxBytes: 1 << 20}.decode(data)
		for i, r := range records {
			if r.Offset != int64(3+i) || r.Partition != 1 {
				t.Errorf("record %d is %d/%d (%v)", i, r.Partition, r.Offset, err)
			}
		}
	})
}
