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
	// EarlierTouch is a click that would have earned, had there been none after it.
	EarlierTouch Reason = "earlier_touch"
	// CouponNotCredited is a coupon, which the terms do not credit by itself.
	CouponNotCredited Reason = "coupon_not_credited"
	// CustomerNotCredited is a customer id, which the terms do not credit by itself.
	CustomerNotCredited Reason = "customer_not_credited"
)

// Explanation is a reason in words.
type Explanation struct {
	Code Reason
	// Sentence says what happened, and where it can be mended, how.
	Sentence string
}

// Reasons lists every reason with its sentence.
func Reasons() []Explanation {
	return []Explanation{
		{Credited, "This was the last click before the order, it was inside the program's window, and it earns the commission."},
		{AwaitingSale, "A refund of this order has arrived, the order itself has not. It is decided as soon as it does."},
		{NoClick, "The order came without a click id, so no partner's link led to it as far as the shop knows."},
		{MalformedClickID, "What the shop sent as click id is not one. It must be passed on exactly as it came in the link's parameter."},
		{UnknownClickKey, "The click id is signed with a key that this network does not hold. Its operator may have removed a key too early."},
		{ForgedClickID, "The click id's signature is wrong: it was changed on its way or made up."},
		{UnknownLink, "The click is on a tracking link that does not exist in this network."},
		{LinkOfAnotherMerchant, "The click is on a link of another merchant's program."},
		{ClickAfterOrder, "The click came after the order was placed, so it cannot have led to it."},
		{NoTermsInForce, "The order is older than the first terms of the program."},
		{OutsideWindow, "The click was longer before the order than the program's window allows."},
		{CurrencyNotInProgram, "The order is in a currency that the program does not take."},
		{EarlierTouch, "A later click before the order earns the commission in the place of this one."},
		{CouponNotCredited, "The order carries this coupon. The program's terms credit clicks; a coupon by itself earns nothing."},
		{CustomerNotCredited, "The order is by this customer. The program's terms credit clicks; an earlier visit or purchase of the customer earns nothing by itself."},
	}
}

// Sentence explains the reason; a code that is not in Reasons is its own explanation.
func (r Reason) Sentence() string {
	for _, e := range Reasons() {
		if e.Code == r {
			return e.Sentence
		}
	}
	return string(r)
}

// OfOrder tells whether the reason can be the outcome of an order, and not only of a touch beside another.
func (r Reason) OfOrder() bool {
	return r != EarlierTouch && r != CouponNotCredited && r != CustomerNotCredited
}
