package engine

import (
	"fmt"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// The kinds of fact that an order is folded from, as the table order_event numbers them.
const (
	kindSale   int16 = 1
	kindRefund int16 = 2
)

// orderKey names an order as its merchant does.
type orderKey struct {
	merchant int64
	id       string
}

// factKey names a fact within its order: there is one sale, and a refund has an id.
type factKey struct {
	kind int16
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
	f.event = e
	if s := e.GetSale(); s != nil {
		f.order = orderKey{s.GetMerchantId(), s.GetOrderId()}
		f.key = factKey{kind: kindSale}
		if f.hash = s.GetContentHash(); len(f.hash) == 0 {
			f.hash = event.SaleHash(s, 0)
		}
	} else {
		r := e.GetRefund()
		f.order = orderKey{r.GetMerchantId(), r.GetOrderId()}
		f.key = factKey{kind: kindRefund, ref: r.GetRefundId()}
		if f.hash = r.GetContentHash(); len(f.hash) == 0 {
			f.hash = event.RefundHash(r, 0)
		}
	}
	// An order in two partitions would have two writers.
	lane := event.Lane(event.OrderKey(f.order.merchant, f.order.id), partitions)
	if lane != f.record.Partition {
		return fmt.Errorf("order %q of merchant %d belongs to partition %d, not %d", f.order.id, f.order.merchant, lane, f.record.Partition)
	}
	return nil
}
