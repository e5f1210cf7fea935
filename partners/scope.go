package partners

import (
	"fmt"
	"strings"
)

// Scope is what a key may report: some of the bits below. A key that a shop's web server holds has no need to take orders
// back.
type Scope uint8

// What can be reported.
const (
	ScopeOrders Scope = 1 << iota
	ScopeRefunds

	AllScopes = ScopeOrders | ScopeRefunds
)

func scopeNames() []string { return []string{"orders", "refunds"} } // by bit

// Names are the scopes by their names, as PostgreSQL keeps them.
func (s Scope) Names() []string {
	var names []string
	for i, name := range scopeNames() {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String names the scopes for people, such as "orders and refunds".
func (s Scope) String() string { return strings.Join(s.Names(), " and ") }

// ParseScopes reads names. No name at all, or one that is none, is an error.
func ParseScopes(names []string) (Scope, error) {
	var s Scope
	for _, name := range names {
		bit := Scope(0)
		for i, known := range scopeNames() {
			if name == known {
				bit = 1 << i
			}
		}
		if bit == 0 {
			return 0, fmt.Errorf("%q is not a scope: there are %s", name, AllScopes)
		}
		s |= bit
	}
	if s == 0 {
		return 0, fmt.Errorf("a key must have a scope: %s", strings.Join(scopeNames(), " or "))
	}
	return s, nil
}
