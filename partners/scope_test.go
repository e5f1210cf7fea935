package partners

import (
	"strings"
	"testing"
)

func TestScopesOfALaterVersionAreLeftOut(t *testing.T) {
	t.Parallel()
	for names, want := range map[string]Scope{"orders payouts": ScopeOrders, "payouts": 0, "": 0, "coupons orders": ScopeOrders | ScopeCoupons} {
		if got := KnownScopes(strings.Fields(names)); got != want {
			t.Errorf("%q: %s", names, got)
		}
	}
}

func TestScopesAreReadAndWrittenByName(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		names string
		want  Scope
		text  string
	}{
		{"orders", ScopeOrders, "orders"},
		{"refunds", ScopeRefunds, "refunds"},
		{"refunds orders", Reporting, "orders and refunds"},
		{"orders refunds orders", Reporting, "orders and refunds"},
		{"coupons", ScopeCoupons, "coupons"},
		{"coupons refunds orders", AllScopes, "orders, refunds and coupons"},
	} {
		got, err := ParseScopes(strings.Fields(row.names))
		if err != nil || got != row.want || got.String() != row.text {
			t.Errorf("%q: %d, %s, %v", row.names, got, got, err)
		}
	}
	for _, names := range []string{"", "Orders", "orders payouts", "orders,refunds"} {
		if got, err := ParseScopes(strings.Fields(names)); err == nil {
			t.Errorf("%q: %s", names, got)
		}
	}
}
