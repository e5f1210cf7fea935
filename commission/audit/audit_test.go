package audit_test

import (
	"testing"

	"tributary/commission/audit"
)

func TestVerifyCountsWhatItDoesNotKeep(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	if _, err := b.db.Exec(t.Context(), `UPDATE orders SET customer_id = 'somebody' WHERE order_id IN ('1', '2', '3', '4', '5')`); err != nil {
		t.Fatal(err)
	}
	b.check.Limit = 2
	verdict, err := audit.Verify(t.Context(), b.check)
	must(t, err)
	if len(verdict.Findings) != 2 || verdict.More != 3 || verdict.Broken != 5 || !verdict.IsBroken() || verdict.Orders != 32 {
		t.Errorf("of 5 in 32 orders, %d are kept and %d left out; %d are broken of %d", len(verdict.Findings), verdict.More, verdict.Broken, verdict.Orders)
	}
}
