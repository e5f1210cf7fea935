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
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// The topics, named without the installation's prefix ("tributary." by default).
const (
	// Touches carries clicks, keyed by click id.
	Touches = "touches"
	// Orders carries all that is reported of orders, keyed by merchant and order, so that one order is one partition.
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
	// MarkNotEnrolled is set when the link's partner was not in the program: paused, say, or gone.
	MarkNotEnrolled
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

// KeyKind tells orders apart that have one id: those of a kind have a namespace of their own. The tables orders of both
// databases store its numbers.
type KeyKind int16

// The kinds of key.
const (
	// Live is an order as a merchant reports it.
	Live KeyKind = 0
	// Trial is a test order: it is folded and shown, and never posted.
	Trial KeyKind = 1
	// Counted are the clicks of a day that are paid for, as the network has counted them.
	Counted KeyKind = 2
)

// Key is the Kafka key of everything about one order of the kind. What stands behind the merchant's number differs by kind, so
// that no order's id, whatever is in it, makes it the key of another kind.
func (k KeyKind) Key(merchant int64, orderID string) []byte {
	key := make([]byte, 0, len(orderID)+21)
	key = strconv.AppendInt(key, merchant, 10)
	switch k {
	case Trial:
		key = append(key, '!')
	case Counted:
		key = append(key, '#')
	case Live:
		key = append(key, '|')
	}
	return append(key, orderID...)
}

// OrderKey is the Kafka key of everything about one order.
func OrderKey(merchant int64, orderID string) []byte { return Live.Key(merchant, orderID) }

// TestKey is the Kafka key of everything about one test order.
func TestKey(merchant int64, orderID string) []byte { return Trial.Key(merchant, orderID) }

// PeriodKey is the Kafka key of what a partner's periods in a program cause.
func PeriodKey(program, partner int64) []byte {
	key := strconv.AppendInt([]byte("period|"), program, 10)
	key = append(key, '|')
	return strconv.AppendInt(key, partner, 10)
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
// bytes of SHA-256 over the fields in a fixed order. Equal reports of one order are duplicates, others additions or conflicts.
// occurredAt is 0 when the merchant stated no time, so that its retry is a duplicate although the clock moved on.
func SaleHash(s *Sale, occurredAt int64) []byte {
	h := hasher{}
	h.number(s.GetMerchantId())
	h.text(s.GetOrderId(), s.GetCurrency(), s.GetClickId(), s.GetCoupon(), s.GetCustomerId())
	h.number(occurredAt)
	h.lines(s)
	h.came(s)
	h.sold(s)
	return h.sum()
}

// SoldHash identifies what a merchant said in a sale apart from how its customer came (the fields that an addition may add)
// and when it was.
func SoldHash(s *Sale) []byte {
	h := hasher{}
	h.number(s.GetMerchantId())
	h.text(s.GetOrderId(), s.GetCurrency())
	h.lines(s)
	h.sold(s)
	return h.sum()
}

// lines adds the lines of a sale, in the order of their numbers. What came after form 1 is added only where it is set, behind
// its number.
func (h *hasher) lines(s *Sale) {
	lines := slices.Clone(s.GetLines())
	slices.SortFunc(lines, func(a, b *Line) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	for _, l := range lines {
		h.number(l.GetNumber(), l.GetQuantity(), l.GetAmount())
		h.text(l.GetSku(), l.GetCategory())
		h.optNumber(lineField(6), l.GetTax())
		h.optNumber(lineField(7), l.GetDiscount())
		h.optText(lineField(8), l.GetPart())
		h.optText(lineField(9), l.GetCountry())
		h.optText(lineField(10), l.GetDevice())
	}
}

// came adds what a sale says since form 1 of how its customer came, as lines does.
func (h *hasher) came(s *Sale) {
	h.optText(saleField(10), s.GetReferralCode())
	if coupons := s.GetCoupons(); len(coupons) > 0 {
		h.number(saleField(11), int64(len(coupons)))
		h.text(coupons...)
	}
	if path := s.GetPath(); len(path) > 0 {
		h.number(saleField(12), int64(len(path)))
		h.touches(path)
	}
}

func (h *hasher) touches(path []*Touch) {
	for _, t := range path {
		h.text(t.GetClickId())
		h.number(int64(t.GetKind()), t.GetAt(), t.GetLinkId(), int64(t.GetMarks()))
	}
}

// sold adds the rest of what a sale says since form 1, as lines does.
func (h *hasher) sold(s *Sale) {
	h.optText(saleField(9), s.GetGoal())
	h.optText(saleField(13), s.GetCustomerStatus())
	h.optNumber(saleField(14), s.GetShipping())
	h.optNumber(saleField(15), s.GetShippingTax())
	h.optText(saleField(16), s.GetCountry())
	h.optText(saleField(17), s.GetDevice())
	if marks := s.GetMetadata(); len(marks) > 0 {
		h.number(saleField(18), int64(len(marks)))
		for _, key := range slices.Sorted(maps.Keys(marks)) {
			h.text(key, marks[key])
		}
	}
	h.optNumber(saleField(19), s.GetCartedAt())
	if s.GetTest() {
		h.number(saleField(20))
	}
	if c := s.GetCounted(); c != nil {
		h.number(saleField(29), c.GetProgramId(), c.GetPartnerId())
		h.text(c.GetDay())
	}
}

// lineField and saleField are numbers of fields as they enter a hash: below zero, as no number of a line is, and those of
// sales apart from those of lines.
func lineField(n int64) int64 { return -n }
func saleField(n int64) int64 { return -100 - n }

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
	h.optNumber(saleField(8), r.GetShipping())
	if r.GetTest() {
		h.number(saleField(11))
	}
	return h.sum()
}

// PathHash identifies what is said of a visitor's path.
func PathHash(p *Path) []byte {
	h := hasher{}
	h.number(p.GetMerchantId())
	h.text(p.GetOrderId(), p.GetClickId())
	h.number(int64(len(p.GetTouches())))
	h.touches(p.GetTouches())
	h.flag(p.GetIncomplete())
	h.flag(p.GetTest())
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

// optNumber adds a field that is set.
func (h *hasher) optNumber(field, value int64) {
	if value != 0 {
		h.number(field, value)
	}
}

// optText adds a field that is set.
func (h *hasher) optText(field int64, value string) {
	if value != "" {
		h.number(field)
		h.text(value)
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
