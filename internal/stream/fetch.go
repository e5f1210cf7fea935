package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Fetch reads the records of one partition from offset on, without a hole: at most about maxBytes of them (one batch
// of the producer's at least), as soon as there are any, none after maxWait. It gives a *GapError when the log does
// not hold offset or jumps right there; records before such a place are given first, without an error. Record.Seal tells
// which of them may be believed: none without a ring.
func (c *Client) Fetch(ctx context.Context, topic string, partition int, offset int64, maxBytes int, maxWait time.Duration) ([]Record, error) {
	name := c.prefix + topic
	records, err := c.fetch(ctx, fetchRequest{
		name: name, partition: partition, offset: offset, maxBytes: maxBytes, maxWait: maxWait, ring: c.ring,
	})
	c.notice(ctx, place{name, partition, protocol.Fetch}, err)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		err = c.outOfRange(ctx, topic, partition, offset, err)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching from %s/%d at offset %d: %w", name, partition, offset, c.explain(err))
	}
	return records, nil
}

// outOfRange says what the partition holds in place of an offset that it refuses.
func (c *Client) outOfRange(ctx context.Context, topic string, partition int, offset int64, refused error) error {
	first, end, err := c.Offsets(ctx, topic, partition)
	if err != nil {
		return err
	}
	if first <= offset && offset <= end {
		return refused // it came into range, as it may while leaders change
	}
	return &GapError{Topic: c.prefix + topic, Partition: partition, Want: offset, Next: first, First: first, End: end}
}

type fetchRequest struct {
	name      string
	partition int
	offset    int64
	maxBytes  int
	maxWait   time.Duration
	ring      *ring
}

func (c *Client) fetch(ctx context.Context, f fetchRequest) ([]Record, error) {
	ctx, cancel := context.WithTimeout(ctx, f.maxWait+fetchMargin)
	defer cancel()
	e := &exchange{
		key: protocol.Fetch, version: fetchVersion, topic: f.name, partition: int32(f.partition), request: f.append(nil),
	}
	if err := c.send(ctx, e); err != nil {
		return nil, err
	}
	data, end, err := readFetched(e.response)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 && end > f.offset {
		return nil, fmt.Errorf("%w: they reach up to offset %d", errWithheld, end-1)
	}
	return f.decode(data)
}

// errWithheld says that a broker has records and gives none of them.
var errWithheld = errors.New("the broker says that there are records and gives none")

func (f fetchRequest) append(dst []byte) []byte {
	dst = appendHead(dst, protocol.Fetch, fetchVersion)
	dst = appendInt32(dst, -1) // not a replica
	dst = appendInt32(dst, int32(f.maxWait.Milliseconds()))
	dst = appendInt32(dst, 1) // answer as soon as there is a byte
	dst = appendInt32(dst, int32(f.maxBytes))
	dst = append(dst, 0)       // there are no transactions to wait for
	dst = appendInt32(dst, 0)  // no session
	dst = appendInt32(dst, -1) // nor its epoch
	dst = appendInt32(dst, 1)
	dst = appendString(dst, f.name)
	dst = appendInt32(dst, 1)
	dst = appendInt32(dst, int32(f.partition))
	dst = appendInt32(dst, -1) // whatever the leader's epoch
	dst = appendInt64(dst, f.offset)
	dst = appendInt64(dst, -1) // start of the log: followers say this
	dst = appendInt32(dst, int32(f.maxBytes))
	dst = appendInt32(dst, 0)    // nothing forgotten
	return appendString(dst, "") // no rack
}

// readFetched gives the batches of the one partition of an answer, and the offset behind the last record that the broker
// would give.
func readFetched(response []byte) (data []byte, end int64, err error) {
	s := scanner{rest: response}
	throttled := s.int32() // for so many milliseconds the broker reads nothing more of us, so there is nothing to wait for
	whole := kafka.Error(s.int16())
	s.take(4) // session
	topics := s.count(1)
	switch {
	case s.err == nil && whole != 0:
		return nil, 0, whole
	case s.err == nil && topics == 0 && throttled > 0:
		return nil, 0, nil // we are over our quota, and that is the whole answer
	}
	_ = s.text()
	partitions := s.count(1)
	s.take(4) // its number
	code := kafka.Error(s.int16())
	end = s.int64()
	s.take(8 + 8)            // last stable offset, start of the log
	s.take(16 * s.count(16)) // aborted transactions
	s.take(4)                // preferred replica
	data = s.bytes()
	switch {
	case s.err == nil && code != 0:
		return nil, 0, code
	case s.err != nil:
		return nil, 0, fmt.Errorf("reading answer: %w", s.err)
	case topics != 1 || partitions != 1:
		return nil, 0, fmt.Errorf("reading answer: it speaks of %d topics and %d partitions", topics, partitions)
	}
	return data, end, nil
}

// decode gives the records from f.offset up to the first place where the log is not as it should be, or the error of
// that place when it is the first.
func (f fetchRequest) decode(data []byte) ([]Record, error) {
	records := make([]Record, 0, countRecords(data))
	next := f.offset
	var wrong error
	end, err := decodeBatches(data, f.partition, func(r *Record, h *headers) bool {
		switch {
		case r.Offset < f.offset:
			return true // brokers answer with whole batches
		case r.Offset != next:
			wrong = &GapError{Topic: f.name, Partition: f.partition, Want: next, Next: r.Offset, End: -1}
		default:
			r.judge(f.ring, f.name, h)
			records = append(records, *r)
			next++
			return true
		}
		return false
	})
	switch {
	case len(records) > 0:
		return records, nil // what is wrong behind them will be met again
	case err != nil:
		return nil, err
	case wrong != nil:
		return nil, wrong
	case end > f.offset:
		return nil, &GapError{Topic: f.name, Partition: f.partition, Want: f.offset, Next: end, End: -1}
	case end == 0 && len(data) > 0:
		return nil, fmt.Errorf("reading answer: %d bytes hold no whole batch", len(data))
	}
	return nil, nil
}
