package partners

import (
	"strings"
	"testing"
)

func TestScopesAreReadAndWrittenByName(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		names string
		want  Scope
		text  string
	}{
		{"orders", ScopeOrders, "orders"},
		{"refunds", ScopeRefunds, "refunds"},
		{"refunds orders", AllScopes, "orders and refunds"},
		{"orders refunds orders", AllScopes, "orders and refunds"},
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
