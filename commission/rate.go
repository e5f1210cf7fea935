package commission

import (
	"cmp"
	"fmt"
	"math/big"
	"math/bits"
	"time"

	"tributary/internal/money"
)

// Rate is what a unit of one currency is worth in another: Num / Den of Quote, as a source published it for a day.
type Rate struct {
	Base  string `json:"base"`
	Quote string `json:"quote"`
	// Day is whose rate it is, UTC midnight; of a rate made of two, the earlier one's.
	Day    time.Time `json:"day"`
	Source string    `json:"source"`
	Num    int64     `json:"num"`
	Den    int64     `json:"den"`
}

// Decimal writes the rate with all its decimals, or ten where it has more, the last one rounded.
func (r *Rate) Decimal() string {
	exactly := big.NewRat(r.Num, r.Den)
	if digits, finite := exactly.FloatPrec(); finite {
		return exactly.FloatString(min(digits, maxDecimals))
	}
	return exactly.FloatString(maxDecimals)
}

// maxDecimals are those of a rate that has more of them than anybody reads.
const maxDecimals = 10

// RateBetween finds what a unit of one currency is worth in another: by a rate between the two, whichever way round, or by
// the quotient of two rates of one source for a third currency. Of several the first listed is taken. Amounts that no int64
// holds make no rate.
func RateBetween(rates []Rate, from, to string) (Rate, bool) {
	for i := range rates {
		if r, ok := rates[i].turned(from); ok && r.Quote == to {
			return r, true
		}
	}
	for i := range rates {
		first, ok := rates[i].turned(from)
		if !ok {
			continue
		}
		for j := range rates {
			second, ok := rates[j].turned(first.Quote)
			if !ok || second.Quote != to || second.Source != first.Source {
				continue
			}
			if r, fits := first.then(&second); fits {
				return r, true
			}
		}
	}
	return Rate{}, false
}

// turned is the rate with the given base, where it is about that currency and above zero.
func (r *Rate) turned(base string) (Rate, bool) {
	t := *r
	if t.Quote == base {
		t.Base, t.Quote, t.Num, t.Den = r.Quote, r.Base, r.Den, r.Num
	}
	return t, t.Base == base && t.Num > 0 && t.Den > 0
}

// then is the rate of both, one after the other.
func (r *Rate) then(next *Rate) (Rate, bool) {
	// A common factor may be what makes the product too large.
	a, b := reduced(r.Num, next.Den)
	c, d := reduced(next.Num, r.Den)
	num, ok := product(a, c)
	den, fits := product(b, d)
	day := r.Day
	if next.Day.Before(day) {
		day = next.Day
	}
	return Rate{Base: r.Base, Quote: next.Quote, Day: day, Source: r.Source, Num: num, Den: den}, ok && fits
}

func reduced(a, b int64) (int64, int64) {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x, b / x
}

// product is that of two numbers that are not negative, where it fits.
func product(a, b int64) (int64, bool) {
	high, low := bits.Mul64(uint64(a), uint64(b))
	return int64(low), high == 0 && low < 1<<63
}

// scale is by what minor units of Base are scaled to those of Quote.
func (r *Rate) scale() (num, den int64, ok bool) {
	base, known := money.Exponent(r.Base)
	quote, knows := money.Exponent(r.Quote)
	num, den = r.Num, r.Den
	for ; base < quote; base++ {
		if num, ok = product(num, 10); !ok {
			return 0, 0, false
		}
	}
	for ; base > quote; base-- {
		if den, ok = product(den, 10); !ok {
			return 0, 0, false
		}
	}
	return num, den, known && knows
}

// converted is an amount of the order's currency in the credit's unit, rounded once. It cannot overflow where the whole order
// does not, which price has seen to.
func (c *Credit) converted(amount int64) int64 {
	if c.Rate == nil {
		return amount
	}
	num, den, _ := c.Rate.scale()
	return money.Scale(amount, num, cmp.Or(den, 1))
}

// Based is what the rate of a rule is taken of, in the credit's unit.
func (c *Credit) Based(r *Rule) int64 {
	if r.Of != "" {
		return r.Base
	}
	return c.converted(r.Base)
}

// scaled is amount x num / den, rounded half up, and whether it is an amount that an account may hold. None is negative.
func scaled(amount, num, den int64) (int64, bool) {
	high, low := bits.Mul64(uint64(amount), uint64(num))
	if high >= uint64(den) {
		return 0, false
	}
	whole, rest := bits.Div64(high, low, uint64(den))
	if whole > money.MaxAmount {
		return 0, false
	}
	if rest >= uint64(den)-rest {
		whole++
	}
	return int64(whole), whole <= money.MaxAmount
}

// String is the rate in words, as "1 EUR = 10877/10000 USD of 2026-09-09 (ecb)"; nothing for none.
func (r *Rate) String() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("1 %s = %d/%d %s of %s (%s)", r.Base, r.Num, r.Den, r.Quote, r.Day.UTC().Format(time.DateOnly), r.Source)
}
