package program

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CouponKind says what a code is: a coupon that customers redeem, or a partner's referral code.
type CouponKind string

// The kinds of codes.
const (
	CouponCode   CouponKind = "coupon"
	ReferralCode CouponKind = "code"
)

// CouponKinds lists them.
func CouponKinds() []CouponKind { return []CouponKind{CouponCode, ReferralCode} }

// NormalCode is a coupon or referral code as codes are compared: without surrounding blanks, in Unicode's folded case, NFC.
func NormalCode(written string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(strings.TrimSpace(written))))
}
