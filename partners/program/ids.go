package program

// The ids of the network's rows, each of its own type so that none is passed for another.
type (
	// MerchantID names a merchant.
	MerchantID int64
	// ProgramID names a program.
	ProgramID int64 //nolint:revive // it is named as the others are, of which none is the package's own
	// PartnerID names a partner.
	PartnerID int64
	// LinkID names a tracking link; it is what a click id carries.
	LinkID int64
	// CouponID names a coupon or referral code, of which a code may have several, one after the other.
	CouponID int64
	// KeyID names an API key.
	KeyID int64
	// LoginID names a person who signs in.
	LoginID int64
	// SeatID names a seat, which puts a person into an organisation.
	SeatID int64
)
