package event

import (
	"encoding/hex"
	"testing"
)

// TestContentHashesStayAsTheyAre holds the hashes of a sale and a refund that set every field there is at the end of form 1.
// They are stored, and a copy of such a report must be known as one for ever: a later field enters only when it is set.
func TestContentHashesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	sale := &Sale{
		MerchantId: 1, OrderId: "A-1", Currency: "GBP", ClickId: "click", Coupon: "SPRING", CustomerId: "c1",
		Lines: []*Line{{Number: 2, Sku: "B", Quantity: 1, Amount: 500, Category: "service"}, {Number: 1, Sku: "A", Quantity: 2, Amount: 1999, Category: "books"}},
	}
	refund := &Refund{
		MerchantId: 1, OrderId: "A-1", RefundId: "R-1", Reason: "returned", Amount: 7, Currency: "GBP", WholeOrder: true,
		Items: []*RefundItem{{Line: 1, Sku: "A", Quantity: 1, Amount: 3, WholeLine: true}},
	}
	for what, hash := range map[string]struct {
		got  []byte
		want string
	}{
		"a sale":   {SaleHash(sale, 1_773_489_600_123_456), "8bd1de17bc620fd6cee857410a0b6b78"},
		"a refund": {RefundHash(refund, 1_773_489_600_123_456), "fdb8022c41f521c02a0547a749bcba5c"},
	} {
		if got := hex.EncodeToString(hash.got); got != hash.want {
			t.Errorf("%s has the content hash %s, want %s", what, got, hash.want)
		}
	}
}
