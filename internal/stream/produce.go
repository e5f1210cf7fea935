package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"tributary/internal/event"
)

// requiredAcks makes Kafka answer when every replica in sync has the records. kafka-go's zero value asks for no
// answer at all.
const requiredAcks = kafka.RequireAll

// Produce signs records and sends them, in their order, to one partition in one request, without compression
// (BenchmarkCodec says why). Any error leaves it unknown whether Kafka has them: send the same again, and let the consumer's sequence rule
// drop the copies. See IsPermanent for the errors that repetition does not cure. Brokers refuse requests above their
// message.max.bytes, 1 MiB by default.
func (c *Client) Produce(ctx context.Context, topic string, partition int, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	name := c.prefix + topic
	err := c.produce(ctx, name, partition, records)
	c.notice(ctx, place{name, partition, protocol.Produce}, err)
	if err != nil {
		return fmt.Errorf("producing %d records to %s/%d: %w", len(records), name, partition, c.explain(err))
	}
	return nil
}

func (c *Client) produce(ctx context.Context, name string, partition int, records []Record) error {
	if c.ring == nil {
		return errNoKeys
	}
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	by := c.ring.first.take()
	defer by.give()
	by.name(name, partition, []byte(event.Format))
	buffer, _ := c.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	*buffer = appendProduce((*buffer)[:0], name, partition, records, by, time.Now())
	e := &exchange{
		key: protocol.Produce, version: produceVersion, topic: name, partition: int32(partition), request: *buffer,
	}
	if err := c.send(ctx, e); err != nil {
		return err // the buffer may still be on its way to the wire, so it is not used again
	}
	c.buffers.Put(buffer)
	return readProduced(e.response)
}

func appendProduce(dst []byte, name string, partition int, records []Record, by *sealing, now time.Time) []byte {
	dst = appendHead(dst, protocol.Produce, produceVersion)
	dst = appendInt16(dst, -1) // no transaction
	dst = appendInt16(dst, int16(requiredAcks))
	dst = appendInt32(dst, int32(brokerTimeout.Milliseconds()))
	dst = appendInt32(dst, 1)
	dst = appendString(dst, name)
	dst = appendInt32(dst, 1)
	dst = appendInt32(dst, int32(partition))
	at := len(dst)
	dst = appendInt32(dst, 0)
	dst = appendBatch(dst, records, by, now)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// readProduced tells what the broker says about the one batch of a request.
func readProduced(response []byte) error {
	s := scanner{rest: response}
	topics := s.count(1)
	_ = s.text()
	partitions := s.count(1)
	s.take(4) // its number
	code := kafka.Error(s.int16())
	s.take(8 + 8 + 8) // offset, append time, start of the log
	for range s.count(6) {
		s.take(4) // a record that was refused, and why
		_ = s.text()
	}
	message := s.text()
	switch {
	case s.err != nil:
		return fmt.Errorf("reading answer: %w", s.err)
	case topics != 1 || partitions != 1:
		return fmt.Errorf("reading answer: it speaks of %d topics and %d partitions", topics, partitions)
	case code != 0 && message != "":
		return fmt.Errorf("%w (the broker says: %s)", code, message)
	case code != 0:
		return code
	}
	return nil
}
