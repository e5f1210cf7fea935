package event

// Bounds of what a sale may say besides its lines; texts are in bytes.
const (
	// MaxText is of a coupon, a code, a click id and a commission group.
	MaxText = 128
	MaxGoal = 64
	// MaxCoupons are those besides the first.
	MaxCoupons       = 20
	MaxPath          = 8
	MaxMetadata      = 20
	MaxMetadataKey   = 40
	MaxMetadataValue = 200
)

// CustomerStatuses are what a merchant may say of a customer.
func CustomerStatuses() []string { return []string{"new", "returning", "lapsed"} }

// Devices are what a buyer may have used.
func Devices() []string { return []string{"desktop", "mobile", "tablet"} }

// IsCountry tells whether a text is as codes of ISO 3166-1 are: two capital letters.
func IsCountry(text string) bool {
	capital := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	return len(text) == 2 && capital(text[0]) && capital(text[1])
}
