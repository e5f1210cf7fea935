package partners

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is what a key may do: some of the bits below. A key that a shop's web server holds has no need to take orders back.
type Scope uint8

// What can be done: to report orders and refunds, and to keep a merchant's coupons.
const (
	ScopeOrders Scope = 1 << iota
	ScopeRefunds
	ScopeCoupons

	// Reporting is what a tracker takes.
	Reporting = ScopeOrders | ScopeRefunds
	AllScopes = Reporting | ScopeCoupons
)

func scopeNames() []string { return []string{"orders", "refunds", "coupons"} } // by bit

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

// String names the scopes for people, such as "orders, refunds and coupons".
func (s Scope) String() string {
	names := s.Names()
	if last := len(names) - 1; last > 1 {
		names = []string{strings.Join(names[:last], ", "), names[last]}
	}
	return strings.Join(names, " and ")
}

// KnownScopes reads names as far as this version knows them: what a later one lets a key do, this one does not do.
func KnownScopes(names []string) (s Scope) {
	for i, name := range scopeNames() {
		if slices.Contains(names, name) {
			s |= 1 << i
		}
	}
	return s
}

// ParseScopes reads names. No name at all, or one that is none, is an error.
func ParseScopes(names []string) (Scope, error) {
	var s Scope
	for _, name := range names {
		bit := KnownScopes([]string{name})
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
