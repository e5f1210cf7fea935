package commission

import (
	"slices"
	"time"

	"tributary/internal/event"
	"tributary/internal/money"
)

// refund takes the refunds, given in the order in which they are to be taken, from the lines. Without the sale they are
// only listed.
func (o *Order) refund(events []*event.Event) {
	if len(events) == 0 && len(o.Disputes) == 0 {
		return
	}
	o.Refunds = make([]Refund, 0, len(events))
	turns, open := o.turns(), openDisputes(nil)
	for _, e := range events {
		said := e.GetRefund()
		r := Refund{ID: said.GetRefundId(), At: event.Time(e.GetOccurredAt()), received: event.Time(e.GetReceivedAt()), whole: said.GetWholeOrder()}
		if o.Placed() {
			r.Effective = later(r.At, o.At)
			for ; len(turns) > 0 && turns[0].at.Before(r.Effective); turns = turns[1:] {
				open = o.turn(open, turns[0])
			}
			o.give(&r, said)
			open.paid(o.paidBack(&r))
		}
		o.Refunds = append(o.Refunds, r)
	}
	for _, t := range turns {
		open = o.turn(open, t)
	}
}

// give takes back what a refund says.
func (o *Order) give(r *Refund, said *event.Refund) {
	if c := said.GetCurrency(); c != "" && c != o.Currency {
		o.Excess = append(o.Excess, Excess{Refund: r.ID, Amount: said.GetAmount() + said.GetShipping(), Currency: c, Reason: OtherCurrency})
		return
	}
	for _, item := range said.GetItems() {
		o.refundItem(r, item)
	}
	if said.GetAmount() > 0 {
		o.refundSpread(r, said.GetAmount())
	}
	if said.GetWholeOrder() {
		for n := range o.Lines {
			o.takeAll(r, &o.Lines[n])
		}
	}
	o.refundShipping(r, said.GetShipping(), said.GetWholeOrder())
}

// refundShipping takes back an amount of the shipping, or all that is left of it with the whole order.
func (o *Order) refundShipping(r *Refund, amount int64, whole bool) {
	left := o.Shipping - o.ShippingRefunded
	r.Shipping = min(amount, left)
	if whole {
		r.Shipping = left
	}
	o.ShippingRefunded += r.Shipping
	if amount > r.Shipping {
		o.exceed(Excess{Refund: r.ID, Amount: amount - r.Shipping, Reason: NothingLeft, Shipping: true})
	}
}

// refundItem takes back an item from the line it names, or from the lines of its SKU, each as far as it goes: first from
// those that cost something, in line order. What is left over then is excess, worth what a piece of the last of those
// lines is; so are free pieces alone, of a SKU with lines that cost something, since the merchant may well mean others.
func (o *Order) refundItem(r *Refund, item *event.RefundItem) {
	quantity, amount := item.GetQuantity(), item.GetAmount()
	var paid *Line // the last line that costs something
	named := o.named(item)
	free := int64(0)
	for _, l := range named {
		if l.Amount > 0 {
			paid = l
		}
		switch {
		case item.GetWholeLine():
			o.takeAll(r, l)
		case quantity > 0:
			pieces := min(quantity, l.Quantity-l.pieces)
			o.takePieces(r, l, pieces)
			quantity -= pieces
			if l.Amount == 0 {
				free += pieces
			}
		default:
			taken := min(amount, l.Amount-l.Refunded)
			o.takeAmount(r, l, taken)
			amount -= taken
		}
	}
	excess := Excess{Refund: r.ID, Line: item.GetLine(), SKU: item.GetSku(), Quantity: quantity, Amount: amount, Reason: NothingLeft}
	switch {
	case len(named) == 0:
		excess.Reason = NoSuchLine
		o.exceed(excess)
	case quantity > 0:
		if paid != nil {
			excess.Amount = paid.worth(quantity)
		}
		o.exceed(excess)
	case amount > 0:
		o.exceed(excess)
	case paid != nil && free > 0 && free == item.GetQuantity():
		excess.Quantity, excess.Reason = free, FreePieces
		o.exceed(excess)
	}
}

// named are the lines that an item names: those that cost something first, each kind in the order of its numbers.
func (o *Order) named(item *event.RefundItem) []*Line {
	var lines, free []*Line
	for n := range o.Lines {
		l := &o.Lines[n]
		switch {
		case item.GetLine() != 0 && item.GetLine() != l.Number || item.GetSku() != "" && item.GetSku() != l.SKU:
		case l.Amount > 0:
			lines = append(lines, l)
		default:
			free = append(free, l)
		}
	}
	return append(lines, free...)
}

// refundSpread takes an amount of the order as a whole.
func (o *Order) refundSpread(r *Refund, amount int64) {
	if beyond := o.spread(r, amount); beyond > 0 {
		o.exceed(Excess{Refund: r.ID, Amount: beyond, Reason: NothingLeft})
	}
}

// spread takes an amount over what is left of the lines in proportion to it, and gives what was beyond that.
func (o *Order) spread(r *Refund, amount int64) (beyond int64) {
	left := make([]int64, len(o.Lines))
	for n, l := range o.Lines {
		left[n] = l.Amount - l.Refunded
	}
	spread := min(amount, o.Amount-o.Refunded)
	for n, share := range money.Split(spread, left) {
		o.takeAmount(r, &o.Lines[n], share)
	}
	return amount - spread
}

// takeAll takes what is left of a line, with its pieces.
func (o *Order) takeAll(r *Refund, l *Line) {
	pieces := l.Quantity - l.pieces
	l.pieces = l.Quantity
	o.recordTaken(r, l, pieces)
}

// takeAmount takes no more than is left of the line.
func (o *Order) takeAmount(r *Refund, l *Line, amount int64) {
	l.besides += amount
	o.recordTaken(r, l, 0)
}

// takePieces takes no more pieces than are left of the line. Where amounts taken before leave less than the pieces are
// worth, the rest is excess.
func (o *Order) takePieces(r *Refund, l *Line, pieces int64) {
	before := l.worth(l.pieces)
	l.pieces += pieces
	asked := l.worth(l.pieces) - before
	if taken := o.recordTaken(r, l, pieces); taken < asked {
		o.exceed(Excess{Refund: r.ID, Line: l.Number, SKU: l.SKU, Amount: asked - taken, Reason: NothingLeft})
	}
}

// recordTaken brings the line's refunded amount up to date and writes down what the refund took of it, pieces among it.
func (o *Order) recordTaken(r *Refund, l *Line, pieces int64) int64 {
	taken := min(l.Amount, l.worth(l.pieces)+l.besides) - l.Refunded
	switch {
	case taken > 0:
		l.Refunded += taken
		o.Refunded += taken
		r.Taken = append(r.Taken, Taken{Line: l.Number, Amount: taken, pieces: pieces})
	case pieces > 0:
		r.free = append(r.free, Taken{Line: l.Number, pieces: pieces})
	}
	return taken
}

// refundsInFull are the refunds with what full documents ask of them: pieces, those of lines that cost nothing among them, and
// when they were received.
func (o *Order) refundsInFull() []Refund {
	all := slices.Clone(o.Refunds)
	for i := range all {
		r := &all[i]
		r.Received, r.Whole, r.Taken = r.received, r.whole && len(o.Lines) == 0, slices.Concat(r.Taken, r.free)
		for n := range r.Taken {
			r.Taken[n].Pieces = r.Taken[n].pieces
		}
	}
	return all
}

// exceed writes down what a refund asked for beyond what was left.
func (o *Order) exceed(e Excess) {
	o.Excess = append(o.Excess, e)
	o.OverRefund = min(o.OverRefund+e.Amount, money.MaxAmount)
}

// worth is the amount of so many pieces of the line, rounded once from the pieces in total, and at most
// money.MaxAmount: pieces beyond those of the line are only ever excess.
func (l *Line) worth(pieces int64) int64 {
	lines, rest := pieces/l.Quantity, pieces%l.Quantity
	part := money.Scale(l.Amount, rest, l.Quantity)
	if l.Amount == 0 || lines <= (money.MaxAmount-part)/l.Amount {
		return lines*l.Amount + part
	}
	return money.MaxAmount
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
