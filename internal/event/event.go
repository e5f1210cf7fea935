// Package event is the wire contract between the stages of the pipeline: the protobuf messages of event.proto, the
// topics they travel on, their keys and headers, and which partition of a topic a key belongs to. The tracker (steps 1
// and 4 in the life of a click) writes these bytes once; relay, loader and engine only carry and read them.
//
// A partition is a part of a topic in Kafka: it has offsets. A lane is the work of one stage on one partition: it has a
// sequence, a lease and a position, and bears the partition's number. Only a spool counts otherwise, since it holds the
// lanes of two topics: lanes 0 to P-1 are those of touches, P to 2P-1 those of orders.
package event

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// The topics, named without the installation's prefix ("tributary." by default).
const (
	// Touches carries clicks, keyed by click id.
	Touches = "touches"
	// Orders carries sales and refunds, keyed by merchant and order, so that one order is one partition.
	Orders = "orders"
	// Decisions carries what the engine posted, partitioned as the orders were.
	Decisions = "ledger"
)

// MaxBytes bounds an encoded event, so that Kafka can never refuse one as too large. A report of 64 KiB, the most that a
// tracker takes, is smaller whatever is in it: its texts grow at most threefold in their normal form.
const MaxBytes = 192 << 10

// The marks of a touch, bits of Click.marks. A touch with any mark is stored but does not count.
const (
	// MarkBot is set for crawlers, libraries, monitors and an empty user agent.
	MarkBot uint32 = 1 << iota
	// MarkDuplicate is set when the same visitor followed the same link within the duplicate window.
	MarkDuplicate
	// MarkEmbedded is set when the browser said that no person navigated: an image, frame or script request.
	MarkEmbedded
)

// Header keys of a Kafka record.
const (
	// HeaderSpool holds the 16 bytes of the spool id.
	HeaderSpool = "spool"
	// HeaderSequence holds the dense sequence number of the sender's lane, 8 bytes, big endian.
	HeaderSequence = "seq"
	// HeaderFormat holds the version of this contract.
	HeaderFormat = "fmt"
	// HeaderSeal holds the number of the key that signed the record, and 16 bytes of HMAC-SHA256 (package stream).
	HeaderSeal = "mac"
)

// Format is the version of the contract that this binary writes.
const Format = "1"

// Lane is the partition of a topic, of the given number of partitions, that a key belongs to: FNV-1a of 64 bits,
// modulo. The number of partitions is fixed when the topics are made.
func Lane(key []byte, partitions int) int {
	h := fnv.New64a()
	_, _ = h.Write(key)
	return int(h.Sum64() % uint64(partitions))
}

// OrderKey is the Kafka key of everything about one order.
func OrderKey(merchant int64, orderID string) []byte {
	key := make([]byte, 0, len(orderID)+21)
	key = strconv.AppendInt(key, merchant, 10)
	key = append(key, '|')
	return append(key, orderID...)
}

// Micros turns a time into the wire's microseconds.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time turns the wire's microseconds into UTC.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// New starts an event: a fresh UUIDv7 and its two times.
func New(receivedAt, occurredAt time.Time) (*Event, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("minting an event id: %w", err)
	}
	return &Event{Id: id[:], ReceivedAt: Micros(receivedAt), OccurredAt: Micros(occurredAt)}, nil
}

// Decode reads an event whose strings and bytes share data, which must not change while the event is in use.
func Decode(data []byte) (*Event, error) {
	e := &Event{}
	if err := e.UnmarshalVTUnsafe(data); err != nil {
		return nil, fmt.Errorf("decoding an event of %d bytes: %w", len(data), err)
	}
	if len(e.GetId()) != 16 {
		return nil, fmt.Errorf("decoding an event: its id has %d bytes, not 16", len(e.GetId()))
	}
	if e.GetBody() == nil {
		return nil, fmt.Errorf("decoding event %x: it has no body this version knows", e.GetId())
	}
	return e, nil
}

// SaleHash identifies what a merchant said in a sale, apart from when and how often it was said: the first 16
// bytes of SHA-256 over the fields in a fixed order. Equal reports of one order are duplicates, others conflict.
// occurredAt is 0 when the merchant stated no time, so that its retry is a duplicate although the clock moved on.
func SaleHash(s *Sale, occurredAt int64) []byte {
	h := hasher{}
	h.number(s.GetMerchantId())
	h.text(s.GetOrderId(), s.GetCurrency(), s.GetClickId(), s.GetCoupon(), s.GetCustomerId())
	h.number(occurredAt)
	lines := slices.Clone(s.GetLines())
	slices.SortFunc(lines, func(a, b *Line) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	for _, l := range lines {
		h.number(l.GetNumber(), l.GetQuantity(), l.GetAmount())
		h.text(l.GetSku(), l.GetCategory())
	}
	return h.sum()
}

// RefundHash identifies what a merchant said in a refund, as SaleHash does for a sale.
func RefundHash(r *Refund, occurredAt int64) []byte {
	h := hasher{}
	h.number(r.GetMerchantId())
	h.text(r.GetOrderId(), r.GetRefundId(), r.GetReason())
	h.number(r.GetAmount(), occurredAt)
	for _, i := range r.GetItems() {
		h.number(i.GetLine(), i.GetQuantity(), i.GetAmount())
		h.text(i.GetSku())
		h.flag(i.GetWholeLine())
	}
	h.flag(r.GetWholeOrder())
	h.text(r.GetCurrency())
	return h.sum()
}

// hasher joins fields unambiguously: numbers at fixed width, texts behind their length.
type hasher struct{ buf []byte }

func (h *hasher) number(values ...int64) {
	for _, v := range values {
		h.buf = binary.BigEndian.AppendUint64(h.buf, uint64(v))
	}
}

func (h *hasher) text(values ...string) {
	for _, v := range values {
		h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(len(v)))
		h.buf = append(h.buf, v...)
	}
}

func (h *hasher) flag(set bool) {
	value := byte(0)
	if set {
		value = 1
	}
	h.buf = append(h.buf, value)
}

func (h *hasher) sum() []byte {
	sum := sha256.Sum256(h.buf)
	return sum[:16]
}
