package event

import "time"

// ClockTolerance is how far the clock of who states a time may be from the network's own.
const ClockTolerance = 5 * time.Minute

// LateAfter is how long after an order was placed its report is late: a hold that runs from the receipt alone would let
// whoever reports decide by which terms an old order earns, unseen. An import is never late.
const LateAfter = 48 * time.Hour

// Clock says by which of an order's times the age of its click is measured.
type Clock string

// The clocks.
const (
	// ReceiptClock is the network's own: when the order was received.
	ReceiptClock Clock = "receipt"
	// StatedClock is the reporter's: when the order was placed, as it says.
	StatedClock Clock = "stated"
	// CartClock is the reporter's as well: when the first item of the order went into the cart.
	CartClock Clock = "cart"
)

// ClickAge is how old a click was when its order was placed, in whole milliseconds, which is all that a click id holds. It is
// measured to the receipt where the stated time is within ClockTolerance of that, so that a shop's clock costs nobody a
// commission, and to the stated time otherwise. A click that came up to ClockTolerance after the order is 0 ms old; below
// zero is one that came later than that. An operator's import has no receipt that says anything: its times are taken
// exactly as stated, and a click a millisecond after the order came after it.
func ClickAge(click, stated, received time.Time, imported bool) (millis int64, by Clock) {
	if imported {
		return stated.UnixMilli() - click.UnixMilli(), StatedClock
	}
	at, by := stated, StatedClock
	if off := received.Sub(stated); off >= -ClockTolerance && off <= ClockTolerance {
		at, by = received, ReceiptClock
	}
	millis = at.UnixMilli() - click.UnixMilli()
	if millis < 0 && millis >= -ClockTolerance.Milliseconds() {
		millis = 0
	}
	return millis, by
}
