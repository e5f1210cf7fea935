package program

import "slices"

// Sign is a warning sign of a touch: something that honest orders seldom have. Terms list those that put an order on hold.
type Sign string

// The signs.
const (
	// SignManyOrders is a click id that more than a few orders name.
	SignManyOrders Sign = "many_orders_per_click"
	// SignManyCustomers is a click id that the orders of more than a few customers name.
	SignManyCustomers Sign = "many_customers_per_click"
	// SignFast is an order within seconds of the visit.
	SignFast Sign = "order_within_seconds"
	// SignMarked is a visit that was marked as a bot's or as a duplicate.
	SignMarked Sign = "marked_click"
	// SignAdded is a touch that a later report of the order added.
	SignAdded Sign = "added_touch"
)

// Signs are all of them, in the order in which touches list them.
func Signs() []Sign {
	return []Sign{SignManyOrders, SignManyCustomers, SignFast, SignMarked, SignAdded}
}

// LooksFor tells whether a sign holds orders under these terms.
func (t *Terms) LooksFor(sign Sign) bool {
	return t.Scheme != nil && slices.Contains(t.Scheme.Document.Signs, sign)
}

// CountsClicks tells whether what an order earns by these terms may depend on what other orders name the same click id.
func (t *Terms) CountsClicks() bool {
	return t.LooksFor(SignManyOrders) || t.LooksFor(SignManyCustomers)
}
