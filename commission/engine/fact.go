package engine

import (
	"fmt"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// orderKey names an order as its merchant does.
type orderKey struct {
	merchant int64
	keys     event.KeyKind
	id       string
}

// bytes is the key as Kafka and the inbox have it.
func (k orderKey) bytes() []byte { return k.keys.Key(k.merchant, k.id) }

// factKey names a fact within its order: there is one sale, a refund has an id, and an addition goes by its content.
type factKey struct {
	kind event.Kind
	ref  string
}

// fact is one record of the topic orders, as far as it could be read.
type fact struct {
	record stream.Record
	// unreadable is why the record cannot be processed, ever. The rest is then not set.
	unreadable error

	event *event.Event
	order orderKey
	key   factKey
	// hash says what the merchant said: equal hashes are the same report.
	hash []byte
}

// receive reads a record from Kafka, as far as it may be believed.
func receive(r stream.Record, partitions int) fact {
	switch {
	case r.Seal != stream.Genuine:
		return fact{record: r}
	case r.Foreign:
		return fact{record: r, unreadable: stream.ErrForeign}
	}
	return read(r, partitions)
}

// read decodes a record of one of so many partitions and checks all that does not depend on what is known of its order.
// What it gives shares memory with the record.
func read(r stream.Record, partitions int) fact {
	f := fact{record: r}
	f.unreadable = f.decode(partitions)
	return f
}

func (f *fact) decode(partitions int) error {
	e, err := event.Decode(f.record.Value)
	if err != nil {
		return err
	}
	if err := commission.Check(e); err != nil {
		return err
	}
	f.event, f.hash = e, e.Content()
	fact := e.Fact()
	f.order, f.key = orderKey{fact.Merchant, fact.Keys, fact.Order}, factKey{fact.Kind, fact.Ref}
	// An order in two partitions would have two writers.
	lane := event.Lane(fact.Key(), partitions)
	if lane != f.record.Partition {
		return fmt.Errorf("order %q of merchant %d belongs to partition %d, not %d", f.order.id, f.order.merchant, lane, f.record.Partition)
	}
	return nil
}
