package commission

import (
	"slices"
	"strings"
)

// Reason is the stable code of why a touch earned or did not, and so of what became of an order.
type Reason string

// The reasons of orders and of their clicks, in the order in which they are looked for. The first three of those about
// click ids come from verifying the id, before anything else is known of it.
const (
	// Credited is the reason of the touch that earns, and of the order on which somebody does.
	Credited Reason = "credited"
	// AwaitingSale is an order of which only refunds are known yet.
	AwaitingSale Reason = "awaiting_sale"
	// AwaitingPath is an order of which the clicks before its own are not known yet.
	AwaitingPath Reason = "awaiting_path"
	// Test is a test order on which somebody would earn.
	Test Reason = "test"
	// Voided is an order of which somebody has said that it never was.
	Voided Reason = "voided"
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
	// EarlierTouch is a touch that would have earned, had there been none after it.
	EarlierTouch Reason = "earlier_touch"
	// CouponNotCredited is a coupon, which the terms do not credit by itself.
	CouponNotCredited Reason = "coupon_not_credited"
	// CustomerNotCredited is a customer id, which the terms do not credit by itself.
	CustomerNotCredited Reason = "customer_not_credited"
	// RestrictedOrder is an order on which a rule of the terms lets nothing be paid. What is stored is Restricted of its code.
	RestrictedOrder Reason = "restricted"
	// NoRate is an order in another currency than the terms', without a rate between them as of its time.
	NoRate Reason = "no_rate"
	// CannotBePriced is an order whose commission is beyond what the books can hold.
	CannotBePriced Reason = "cannot_be_priced"
)

// Further reasons, of touches that terms with a scheme judge.
//
//nolint:gosec // nothing of it is a credential
const (
	// ClickNotCredited and its like are kinds of touch that the terms do not list.
	ClickNotCredited      Reason = "click_not_credited"
	SoftClickNotCredited  Reason = "soft_click_not_credited"
	ImpressionNotCredited Reason = "impression_not_credited"
	CodeNotCredited       Reason = "code_not_credited"
	// MarkedClick is a visit that was marked when it happened: as a bot's, as one more in a row, or as nobody's.
	MarkedClick Reason = "marked_click"
	// TooFast is a visit younger than the terms allow.
	TooFast Reason = "too_fast"
	// AfterCart is a visit later than the order's first item went into the cart.
	AfterCart Reason = "after_cart"
	// CartExpired is an order later after that than the terms allow.
	CartExpired Reason = "cart_expired"
	// UnknownCoupon is a coupon or code that is nobody's.
	UnknownCoupon Reason = "unknown_coupon"
	// CouponNotInForce is a coupon or code that is in force at another time than the order's.
	CouponNotInForce Reason = "coupon_not_in_force"
	// CouponOfAnotherMerchant is a coupon or code for somebody else's shop.
	CouponOfAnotherMerchant Reason = "coupon_of_another_merchant"
	// PartnerNotEnrolled and its like are about a partner who was not in the program, by the state that they were in.
	PartnerNotEnrolled Reason = "partner_not_enrolled"
	PartnerPaused      Reason = "partner_paused"
	PartnerLeft        Reason = "partner_left"
	PartnerRemoved     Reason = "partner_removed"
	// TermsNotAccepted is a partner who has not accepted terms that have to be.
	TermsNotAccepted Reason = "terms_not_accepted"
	// SelfReferral is a partner's own order.
	SelfReferral Reason = "self_referral"
	// ClaimOpen and ClaimDeclined are claims that the network has not granted.
	ClaimOpen     Reason = "claim_open"
	ClaimDeclined Reason = "claim_declined"
	// BindEnded is a customer who belonged to a partner until some time before the order.
	BindEnded Reason = "bind_ended"
	// Outranked is a touch that would have earned, had there been none of a better rank, or named before it.
	Outranked Reason = "outranked"
	// BoundToAnother is a touch that would have earned, did the customer not belong to another partner.
	BoundToAnother Reason = "bound_to_another"
	// OtherProgram is a touch of another program than the one that decides.
	OtherProgram Reason = "other_program"
	// LaterTouch is a touch that would have earned, had there been none before it.
	LaterTouch Reason = "later_touch"
	// RecordedAsClick is a coupon or code whose credit goes to a click of the same partner.
	RecordedAsClick Reason = "recorded_as_click"
)

// Reasons lists every reason; internal/text explains each.
func Reasons() []Reason {
	return []Reason{
		Credited,
		AwaitingSale,
		AwaitingPath,
		Test,
		Voided,
		NoClick,
		MalformedClickID,
		UnknownClickKey,
		ForgedClickID,
		UnknownLink,
		LinkOfAnotherMerchant,
		ClickAfterOrder,
		NoTermsInForce,
		ClickNotCredited,
		SoftClickNotCredited,
		ImpressionNotCredited,
		CouponNotCredited,
		CodeNotCredited,
		CustomerNotCredited,
		MarkedClick,
		TooFast,
		AfterCart,
		CartExpired,
		OutsideWindow,
		UnknownCoupon,
		CouponNotInForce,
		CouponOfAnotherMerchant,
		CurrencyNotInProgram,
		NoRule,
		PartnerNotEnrolled,
		PartnerPaused,
		PartnerLeft,
		PartnerRemoved,
		TermsNotAccepted,
		SelfReferral,
		ClaimOpen,
		ClaimDeclined,
		BindEnded,
		Outranked,
		BoundToAnother,
		OtherProgram,
		EarlierTouch,
		LaterTouch,
		RecordedAsClick,
		RestrictedOrder,
		NoRate,
		CannotBePriced,
	}
}

// Restricted is the reason of an order on which a rule with the code lets nothing be paid.
func Restricted(code string) Reason { return RestrictedOrder + ":" + Reason(code) }

// Code splits a reason into one of Reasons and the code that a merchant's terms give with it, empty for most.
func (r Reason) Code() (reason Reason, code string) {
	of, code, _ := strings.Cut(string(r), ":")
	return Reason(of), code
}

// OfOrder reports whether the reason can be the outcome of an order, and not only of a touch beside another.
func (r Reason) OfOrder() bool {
	beside := [...]Reason{
		CouponNotCredited, CodeNotCredited, CustomerNotCredited, UnknownCoupon, ClaimOpen, ClaimDeclined, BindEnded,
		Outranked, BoundToAnother, OtherProgram, EarlierTouch, LaterTouch, RecordedAsClick,
	}
	return !slices.Contains(beside[:], r)
}
