package commission

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"tributary/internal/event"
)

// AddWithin is how long after the first report of a sale another may add to it.
const AddWithin = 24 * time.Hour

// MaxAdditions is how many additions of one order count, in the order in which they arrive: it bounds the work that one report
// can cause, as MaxRefunds does.
const MaxAdditions = 20

// Adds reports whether a later report of a sale is an addition to the first: received within AddWithin of it, by the same API
// key, it says nothing else, but adds how the customer came: a click id, a path, a coupon, a referral code or a customer. What
// it leaves out of that contradicts nothing; another value does.
func Adds(first, later *event.Event) bool {
	if key := first.GetApiKeyId(); key == 0 || key != later.GetApiKeyId() || first.Fact() != later.Fact() {
		return false
	}
	if later.GetReceivedAt()-first.GetReceivedAt() > AddWithin.Microseconds() {
		return false
	}
	var was, is Order
	was.came(first.GetSale())
	is.came(later.GetSale())
	adds := false
	for _, f := range howCame() {
		if f.contradicts(&was, &is) {
			return false
		}
		adds = adds || f.adds(&was, &is) != ""
	}
	return adds && bytes.Equal(event.SoldHash(first.GetSale()), event.SoldHash(later.GetSale())) && sameTime(first, later)
}

// sameTime reports whether two reports of a sale state the same time, or none. A stated time is known by the hash that it is
// in; one that was ahead of the tracker's clock, which took its own for it, is known only where the other report tells.
func sameTime(a, b *event.Event) bool {
	states := func(e *event.Event, at int64) bool { return bytes.Equal(event.SaleHash(e.GetSale(), at), e.Content()) }
	for _, at := range [...]int64{0, a.GetOccurredAt(), b.GetOccurredAt()} {
		if first, second := states(a, at), states(b, at); first || second {
			return first && second
		}
	}
	return true // both were ahead
}

// cameBy is something that tells how a customer came.
type cameBy struct {
	field string
	// value is it as text; empty where it is not known.
	value func(o *Order) string
	// take takes it over from another order.
	take func(o, from *Order)
}

// howCame are the fields that an addition may add.
func howCame() [5]cameBy {
	return [...]cameBy{
		{"click_id", func(o *Order) string { return o.ClickID }, func(o, from *Order) { o.ClickID = from.ClickID }},
		{"path", pathText, func(o, from *Order) { o.Path = from.Path }},
		{couponsField, func(o *Order) string { return couponText(o.Coupons) }, func(o, from *Order) { o.Coupons = from.Coupons }},
		{"referral_code", func(o *Order) string { return o.ReferralCode }, func(o, from *Order) { o.ReferralCode = from.ReferralCode }},
		{"customer_id", func(o *Order) string { return o.Customer }, func(o, from *Order) { o.Customer = from.Customer }},
	}
}

// couponsField is the one field with several values: a report that has all of them and more adds the rest.
const couponsField = "coupons"

// adds is what the second order has of the field that the first has not; empty where it adds nothing.
func (f *cameBy) adds(first, second *Order) string {
	switch {
	case f.value(first) == "":
		return f.value(second)
	case f.field == couponsField && len(without(first.Coupons, second.Coupons)) == 0:
		return couponText(without(second.Coupons, first.Coupons))
	}
	return ""
}

// contradicts reports whether the second order says another thing of the field than the first. Less is not another thing.
func (f *cameBy) contradicts(first, second *Order) bool {
	if f.field == couponsField {
		return len(without(first.Coupons, second.Coupons)) > 0 && len(without(second.Coupons, first.Coupons)) > 0
	}
	was, is := f.value(first), f.value(second)
	return was != "" && is != "" && was != is
}

// between stands between several values.
const between = ", "

func couponText(coupons []string) string { return strings.Join(coupons, between) }

// added reports whether an addition brought the touch with an id.
func (o *Order) added(id string) bool {
	return slices.ContainsFunc(o.Added, func(a Added) bool { return strings.Contains(between+a.Value+between, between+id+between) })
}

// without are the texts that others do not have.
func without(texts, others []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return slices.Contains(others, t) })
}

func pathText(o *Order) string {
	ids := make([]string, len(o.Path))
	for i := range o.Path {
		ids[i] = o.Path[i].ClickID
	}
	return strings.Join(ids, between)
}

// additionsOf gives the additions among the facts of an order, which begin with its sales as the lane has taken them: each
// content once, in the order of receipt, those of one instant by their ids.
func additionsOf(facts []*event.Event) []*event.Event {
	var additions []*event.Event
	for _, e := range facts[1:] {
		if e.GetSale() == nil {
			break
		}
		known := slices.ContainsFunc(additions, func(a *event.Event) bool { return bytes.Equal(a.Content(), e.Content()) })
		if !known && Adds(facts[0], e) {
			additions = append(additions, e)
		}
	}
	slices.SortFunc(additions, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(a.GetReceivedAt(), b.GetReceivedAt()), bytes.Compare(a.GetId(), b.GetId()))
	})
	return additions
}

// addedTo gives an order with its additions. It takes a copy, since functions as values move theirs to the heap, and few orders
// have additions.
func addedTo(o Order, additions []*event.Event) Order {
	for _, e := range additions {
		o.add(e)
	}
	return o
}

// add enters an addition: what it adds to the sale, but for fields to which another has added before.
func (o *Order) add(e *event.Event) {
	var more Order
	more.came(e.GetSale())
	for _, f := range howCame() {
		value := f.adds(o, &more)
		if value == "" || slices.ContainsFunc(o.Added, func(a Added) bool { return a.Field == f.field }) {
			continue
		}
		f.take(o, &more)
		o.Added = append(o.Added, Added{Field: f.field, Value: value, At: event.Time(e.GetReceivedAt())})
	}
}
