package event

import "encoding/hex"

// Kind numbers the kinds of fact that an order is folded from, as the tables order_event of both databases store them. The
// number 7 (a sale that a tag reports) is taken.
type Kind int16

// The kinds that there are.
const (
	KindSale   Kind = 1
	KindRefund Kind = 2
	// KindPath is how the visitor came to the click that a sale names, as the tracker knew it. Its Ref is the id of the click.
	KindPath Kind = 3
	// KindAddition is a later report of a sale that contradicts nothing and adds to it how its customer came. Its Ref is the
	// hash of its content in hexadecimal digits.
	KindAddition Kind = 4
)

// IsSale tells whether the fact is the sale itself.
func (k Kind) IsSale() bool { return k == KindSale }

// Fact names what an event reports. Of the events that name one fact the first that the order's lane takes stands; what
// comes after it is a duplicate when its content is the same, and otherwise a conflict, without effect.
type Fact struct {
	Merchant int64
	// Keys is the kind of the order's key.
	Keys KeyKind
	// Order is the merchant's id of the order.
	Order string
	Kind  Kind
	// Ref names the fact among those of its kind: the merchant's id of a refund, the click of a path; empty for the sale, of which
	// there is one.
	Ref string
}

// Fact names what the event reports of an order. Of any other event it is the zero Fact.
func (e *Event) Fact() Fact {
	switch body := e.GetBody().(type) {
	case *Event_Sale:
		return Fact{Merchant: body.Sale.GetMerchantId(), Keys: keysOf(body.Sale.GetTest(), body.Sale.GetCounted() != nil), Order: body.Sale.GetOrderId(), Kind: KindSale}
	case *Event_Refund:
		return Fact{
			Merchant: body.Refund.GetMerchantId(), Keys: keysOf(body.Refund.GetTest(), false), Order: body.Refund.GetOrderId(),
			Kind: KindRefund, Ref: body.Refund.GetRefundId(),
		}
	case *Event_Path:
		return Fact{
			Merchant: body.Path.GetMerchantId(), Keys: keysOf(body.Path.GetTest(), false), Order: body.Path.GetOrderId(),
			Kind: KindPath, Ref: body.Path.GetClickId(),
		}
	}
	return Fact{}
}

// keysOf is the kind of key of a report of a test order, or of counted clicks.
func keysOf(test, counted bool) KeyKind {
	switch {
	case test:
		return Trial
	case counted:
		return Counted
	}
	return Live
}

// Key is the Kafka key of everything about the fact's order.
func (f Fact) Key() []byte { return f.Keys.Key(f.Merchant, f.Order) }

// AdditionRef is the Ref of an addition with the content.
func AdditionRef(content []byte) string { return hex.EncodeToString(content) }

// TouchKind numbers what a touch of an order's path was.
type TouchKind uint32

// The kinds of touch in a path.
const (
	PathClick TouchKind = 1
	// PathSoft is a click that a tag, an extension or a page without a redirect reported.
	PathSoft       TouchKind = 2
	PathImpression TouchKind = 3
)

// SoftClickID tells whether a text, if it is a click id, is that of a soft click: its first byte is the version of package clickid,
// six bits of which are the first character and two the second.
func SoftClickID(id string) bool {
	return len(id) > 1 && id[0] == 'A' && id[1] >= 'g' && id[1] <= 'v'
}

// Content identifies what the event reports of an order, as SaleHash, RefundHash and PathHash do: by the hash that it carries or,
// of a report that carries none, as if its merchant had stated no time. It is nil for any other event.
func (e *Event) Content() []byte {
	var hash []byte
	switch body := e.GetBody().(type) {
	case *Event_Sale:
		if hash = body.Sale.GetContentHash(); len(hash) == 0 {
			hash = SaleHash(body.Sale, 0)
		}
	case *Event_Refund:
		if hash = body.Refund.GetContentHash(); len(hash) == 0 {
			hash = RefundHash(body.Refund, 0)
		}
	case *Event_Path:
		hash = PathHash(body.Path)
	}
	return hash
}
