package event

// Kind numbers the kinds of fact that an order is folded from, as the tables order_event of both databases store them. The
// numbers 3 (path), 4 (addition) and 7 (a sale that a tag reports) are taken.
type Kind int16

// The kinds that there are.
const (
	KindSale   Kind = 1
	KindRefund Kind = 2
)

// IsSale tells whether the fact is the sale itself.
func (k Kind) IsSale() bool { return k == KindSale }

// Fact names what an event reports. Of the events that name one fact the first that the order's lane takes stands; what
// comes after it is a duplicate when its content is the same, and otherwise a conflict, without effect.
type Fact struct {
	Merchant int64
	// Order is the merchant's id of the order.
	Order string
	Kind  Kind
	// Ref is the merchant's id of the fact among those of its kind: of the refund; empty for the sale, of which there is one.
	Ref string
}

// Fact names what the event reports of an order. Of any other event it is the zero Fact.
func (e *Event) Fact() Fact {
	switch body := e.GetBody().(type) {
	case *Event_Sale:
		return Fact{Merchant: body.Sale.GetMerchantId(), Order: body.Sale.GetOrderId(), Kind: KindSale}
	case *Event_Refund:
		return Fact{Merchant: body.Refund.GetMerchantId(), Order: body.Refund.GetOrderId(), Kind: KindRefund, Ref: body.Refund.GetRefundId()}
	}
	return Fact{}
}

// Key is the Kafka key of everything about the fact's order.
func (f Fact) Key() []byte { return OrderKey(f.Merchant, f.Order) }

// Content identifies what the event reports of an order, as SaleHash and RefundHash do: by the hash that it carries or, of
// one that carries none, as if its merchant had stated no time. It is nil for any other event.
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
	}
	return hash
}
