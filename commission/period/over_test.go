package period

import (
	"testing"
	"time"
)

func TestOrdersFromTheBoundaryOnAreOver(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 9, 7, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		within int64
		at     time.Time
		id     string
		want   Part
	}{
		{0, at.Add(-time.Second), "Z", Within},
		{0, at, "A", Within},
		{0, at, "B", Over},
		{500, at, "B", Crossing},
		{500, at, "C", Over},
		{500, at.Add(time.Second), "A", Over},
	} {
		b := Boundary{At: at, ID: "B", Within: row.within}
		if got := b.Of(row.at, row.id); got != row.want {
			t.Errorf("%s at %s with %d within: %q, want %q", row.id, row.at, row.within, got, row.want)
		}
	}
}
