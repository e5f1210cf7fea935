package event_test

import (
	"testing"
	"time"

	"tributary/internal/event"
)

func TestByWhichClockAClickIsOld(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	const tolerance = event.ClockTolerance
	for _, fact := range []struct {
		name            string
		click, received time.Duration // after the stated time, noon
		imported        bool
		millis          int64
		by              event.Clock
	}{
		{"the shop's clock is right", -time.Hour, time.Second, false, 3_601_000, event.ReceiptClock},
		{"a second, cut off", 300 * time.Millisecond, 900 * time.Millisecond, false, 600, event.ReceiptClock},
		{"240 s behind, right after the click", 239 * time.Second, 240 * time.Second, false, 1000, event.ReceiptClock},
		{"5 minutes behind", tolerance - time.Second, tolerance, false, 1000, event.ReceiptClock},
		{"more than 5 minutes behind", tolerance, tolerance + time.Microsecond, false, 0, event.StatedClock},
		{"5 minutes ahead", -tolerance - time.Second, -tolerance, false, 1000, event.ReceiptClock},
		{"more than 5 minutes ahead", -time.Hour, -tolerance - time.Microsecond, false, 3_600_000, event.StatedClock},
		{"told an hour later, the click before it", -time.Second, time.Hour, false, 1000, event.StatedClock},
		{"told an hour later, the click a little after it", time.Minute, time.Hour, false, 0, event.StatedClock},
		{"told an hour later, the click 5 minutes after it", tolerance, time.Hour, false, 0, event.StatedClock},
		{"told an hour later, the click later than that", tolerance + time.Millisecond, time.Hour, false, -300_001, event.StatedClock},
		{"another tracker's clock is behind", time.Second, 500 * time.Millisecond, false, 0, event.ReceiptClock},
		{"part of a millisecond after the click's began", -400 * time.Microsecond, 0, false, 1, event.ReceiptClock},
		{"an import", -time.Hour, 0, true, 3_600_000, event.StatedClock},
		{"an import, the click a millisecond later", time.Millisecond, time.Hour, true, -1, event.StatedClock},
	} {
		millis, by := event.ClickAge(noon.Add(fact.click), noon, noon.Add(fact.received), fact.imported)
		if millis != fact.millis || by != fact.by {
			t.Errorf("%s: %d ms by the %s clock, want %d by the %s one", fact.name, millis, by, fact.millis, fact.by)
		}
	}
}
