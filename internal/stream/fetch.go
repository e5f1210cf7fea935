package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"tributary/internal/event"
)

// Fetch reads the records of one partition from offset on, without a hole: at most about maxBytes of them (one batch
// of the producer's at least), as soon as there are any, none after maxWait. It gives a *GapError when the log does
// not hold offset or jumps right there, and a *HeaderError when the very record at offset lacks the contract's
// headers; records before such a place are given first, without an error.
func (c *Client) Fetch(ctx context.Context, topic string, partition int, offset int64, maxBytes int, maxWait time.Duration) ([]Record, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait+fetchMargin)
	defer cancel()
	name := c.prefix + topic
	client := &kafka.Client{Addr: c.admin.Addr, Timeout: 2 * (maxWait + fetchMargin), Transport: c.transport}
	response, err := client.Fetch(ctx, &kafka.FetchRequest{
		Topic: name, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: int64(maxBytes), MaxWait: maxWait,
	})
	if err == nil {
		err = response.Error
	}
	if errors.Is(err, kafka.OffsetOutOfRange) {
		first, end, err := c.Offsets(ctx, topic, partition)
		if err != nil {
			return nil, err
		}
		return nil, &GapError{Topic: name, Partition: partition, Want: offset, Next: first, First: first, End: end}
	}
	if err != nil {
		return nil, fmt.Errorf("fetching from %s/%d at offset %d: %w", name, partition, offset, err)
	}
	var records []Record
	next := offset
	for {
		raw, err := response.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading records of %s/%d: %w", name, partition, err)
		}
		record := Record{Partition: partition, Offset: raw.Offset, Time: raw.Time.UTC()}
		if record.Key, err = kafka.ReadAll(raw.Key); err != nil {
			return nil, fmt.Errorf("reading a key of %s/%d: %w", name, partition, err)
		}
		if record.Value, err = kafka.ReadAll(raw.Value); err != nil {
			return nil, fmt.Errorf("reading a value of %s/%d: %w", name, partition, err)
		}
		if raw.Offset < offset {
			continue
		}
		problem := ""
		if raw.Offset != next {
			err = &GapError{Topic: name, Partition: partition, Want: next, Next: raw.Offset, End: -1}
		} else if problem = parseHeaders(raw.Headers, &record); problem != "" {
			err = &HeaderError{Record: record, Problem: problem}
		}
		if err != nil {
			if len(records) > 0 {
				return records, nil
			}
			return nil, err
		}
		records = append(records, record)
		next++
	}
}

func parseHeaders(headers []kafka.Header, r *Record) string {
	seen := 0
	for _, h := range headers {
		switch h.Key {
		case event.HeaderSpool:
			if copy(r.Spool[:], h.Value) == 16 {
				seen |= 1
			}
		case event.HeaderSequence:
			if len(h.Value) == 8 {
				r.Seq = binary.BigEndian.Uint64(h.Value)
				seen |= 2
			}
		case event.HeaderFormat:
			if string(h.Value) == event.Format {
				seen |= 4
			}
		}
	}
	if seen != 7 {
		return "its headers do not follow the contract"
	}
	return ""
}
