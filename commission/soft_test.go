package commission

import (
	"testing"
	"time"

	"tributary/internal/event"
)

// A click id says itself whether a redirect has seen the click: wherever an order names it, it is of its kind.
func TestTheIDOfASoftClickIsASoftTouch(t *testing.T) {
	t.Parallel()
	const hard, soft = "AQkBAgMEBQYHCAGiAyCie_Dx8vP09fb3KICGztsI5ycfftC5-k3XyA", "AgkBAgMEBQYHCAGiAyCie_Dx8vP09fb3KICGztsI5ycfftC5-k3XyA"
	for _, tc := range []struct {
		id   string
		kind event.TouchKind
		want TouchKind
	}{
		{hard, event.PathClick, TouchClick},
		{soft, event.PathClick, TouchSoft},
		{hard, event.PathSoft, TouchSoft},
		{soft, event.PathImpression, TouchImpression},
		{"A", event.PathClick, TouchClick},
	} {
		if got := (&PathTouch{ClickID: tc.id, Kind: tc.kind}).TouchKind(); got != tc.want {
			t.Errorf("%s in a path as %d is a %s, want a %s", tc.id, tc.kind, got, tc.want)
		}
	}
	o := Order{At: time.Unix(1, 0), ClickID: soft}
	if v := o.Visits(); len(v) != 1 || v[0].TouchKind() != TouchSoft {
		t.Errorf("the order's own click is %+v", v)
	}
}
