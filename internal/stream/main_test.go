package stream_test

import (
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// open gives a client of topics that no other test has, with the given number of partitions.
func open(t *testing.T, partitions int) *stream.Client {
	t.Helper()
	c := engines.Kafka(t).Open(t)
	if err := c.CreateTopics(t.Context(), partitions, time.Hour); err != nil {
		t.Fatal(err)
	}
	return c
}

// numbered makes records with sequences from first on.
func numbered(spool byte, first, n int) []stream.Record {
	records := make([]stream.Record, n)
	for i := range records {
		seq := uint64(first + i)
		records[i] = stream.Record{
			Key: []byte("key"), Value: []byte(strings.Repeat("v", i%300)), Spool: [16]byte{spool}, Seq: seq,
		}
	}
	return records
}

const topic = event.Touches
