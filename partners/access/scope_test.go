package access

import (
	"errors"
	"testing"
)

// A scope is of exactly one; of nobody, or of two, it is refused before anything is asked.
func TestAScopeIsOfExactlyOne(t *testing.T) {
	t.Parallel()
	for scope, whole := range map[Scope]bool{
		{Network: true}:                          true,
		{Merchant: 7}:                            true,
		{Partner: 7}:                             true,
		{}:                                       false,
		{Merchant: -7}:                           false,
		{Partner: -7}:                            false,
		{Merchant: 7, Partner: 7}:                false,
		{Network: true, Merchant: 7}:             false,
		{Network: true, Partner: 7}:              false,
		{Network: true, Merchant: 7, Partner: 7}: false,
	} {
		if err := scope.Check(); whole != (err == nil) || !whole && !errors.Is(err, ErrScope) {
			t.Errorf("%+v: %v", scope, err)
		}
		if whole {
			continue
		}
		db := New(nil) // nothing is asked
		if err := db.Read(t.Context(), scope, nil); !errors.Is(err, ErrScope) {
			t.Errorf("reading as %+v: %v", scope, err)
		}
		if err := db.Change(t.Context(), scope, nil); !errors.Is(err, ErrScope) {
			t.Errorf("changing as %+v: %v", scope, err)
		}
	}
}
