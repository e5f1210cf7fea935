package commission

// Reason is the stable code of why a touch earned or did not, and so of what became of an order.
type Reason string

// The reasons, in the order in which they are looked for. The first three of those about click ids come from verifying
// the id, before anything else is known of it.
const (
	// Credited is the reason of the touch that earns, and of the order on which somebody does.
	Credited Reason = "credited"
	// AwaitingSale is an order of which only refunds are known yet.
	AwaitingSale Reason = "awaiting_sale"
	// Test is a test order on which somebody would earn.
	Test Reason = "test"
	// NoClick is an order that came without a click id.
	NoClick Reason = "no_click"
	// MalformedClickID is a text that is not a click id at all.
	MalformedClickID Reason = "malformed_click_id"
	// UnknownClickKey is a click id signed with a key that this installation does not hold.
	UnknownClickKey Reason = "unknown_click_key"
	// ForgedClickID is a click id whose signature is wrong.
	ForgedClickID Reason = "forged_click_id"
	// UnknownLink is a click on a link that does not exist.
	UnknownLink Reason = "unknown_link"
	// LinkOfAnotherMerchant is a click on a link to somebody else's shop.
	LinkOfAnotherMerchant Reason = "link_of_another_merchant"
	// ClickAfterOrder is a click later than the order, by more than clocks may be off.
	ClickAfterOrder Reason = "click_after_order"
	// NoTermsInForce is an order older than the first terms of the program.
	NoTermsInForce Reason = "no_terms_in_force"
	// OutsideWindow is a click older than the terms allow.
	OutsideWindow Reason = "outside_window"
	// CurrencyNotInProgram is an order in a currency that the program does not take.
	CurrencyNotInProgram Reason = "currency_not_in_program"
	// NoRule is an order that no rule of the terms pays for, as a lead under terms that pay for sales.
	NoRule Reason = "no_rule"
	// EarlierTouch is a click that would have earned, had there been none after it.
	EarlierTouch Reason = "earlier_touch"
	// CouponNotCredited is a coupon, which the terms do not credit by itself.
	CouponNotCredited Reason = "coupon_not_credited"
	// CustomerNotCredited is a customer id, which the terms do not credit by itself.
	CustomerNotCredited Reason = "customer_not_credited"
)

// Reasons lists every reason; internal/text explains each.
func Reasons() []Reason {
	return []Reason{
		Credited,
		AwaitingSale,
		Test,
		NoClick,
		MalformedClickID,
		UnknownClickKey,
		ForgedClickID,
		UnknownLink,
		LinkOfAnotherMerchant,
		ClickAfterOrder,
		NoTermsInForce,
		OutsideWindow,
		CurrencyNotInProgram,
		NoRule,
		EarlierTouch,
		CouponNotCredited,
		CustomerNotCredited,
	}
}

// OfOrder reports whether the reason can be the outcome of an order, and not only of a touch beside another.
func (r Reason) OfOrder() bool {
	return r != EarlierTouch && r != CouponNotCredited && r != CustomerNotCredited
}
