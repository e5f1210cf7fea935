package stream

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"tributary/internal/event"
)

// requiredAcks makes Kafka answer when every replica in sync has the records. kafka-go's zero value asks for no
// answer at all.
const requiredAcks = kafka.RequireAll

// Produce sends records, in their order, to one partition in one request. Any error leaves it unknown whether Kafka
// has them: send the same again, and let the consumer's sequence rule drop the copies. See IsPermanent for the errors
// that repetition does not cure.
func (c *Client) Produce(ctx context.Context, topic string, partition int, records []Record) error {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	out := make([]kafka.Record, len(records))
	for i, r := range records {
		out[i] = kafka.Record{
			Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value),
			Headers: []protocol.Header{
				{Key: event.HeaderSpool, Value: r.Spool[:]},
				{Key: event.HeaderSequence, Value: binary.BigEndian.AppendUint64(nil, r.Seq)},
				{Key: event.HeaderFormat, Value: []byte(event.Format)},
			},
		}
	}
	name := c.prefix + topic
	response, err := c.admin.Produce(ctx, &kafka.ProduceRequest{
		Topic: name, Partition: partition, RequiredAcks: requiredAcks, Records: kafka.NewRecordReader(out...),
	})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return fmt.Errorf("producing %d records to %s/%d: %w", len(records), name, partition, err)
	}
	return nil
}
