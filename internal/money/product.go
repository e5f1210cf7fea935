package money

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Product is a rate times an amount before it is rounded: whole minor units and millionths of one, both of the same
// sign, the millionths less than a whole. Its text is an exact decimal, such as "79.92".
type Product struct {
	whole      int64
	millionths int64
}

// Exact is the rate times the amount. Of is its Round. It panics when the whole part does not fit an int64.
func (r Rate) Exact(amount int64) Product {
	high, low := bits.Mul64(magnitude(amount), magnitude(int64(r)))
	if high >= uint64(One) {
		panic(fmt.Sprintf("money: %d x %d ppm does not fit 64 bits", amount, int64(r)))
	}
	whole, rest := bits.Div64(high, low, uint64(One))
	if whole > 1<<63-1 {
		panic(fmt.Sprintf("money: %d x %d ppm does not fit 64 bits", amount, int64(r)))
	}
	if (amount < 0) != (r < 0) {
		return Product{whole: -int64(whole), millionths: -int64(rest)}
	}
	return Product{whole: int64(whole), millionths: int64(rest)}
}

// Round is the nearest whole number of minor units, half away from zero.
func (p Product) Round() int64 {
	const half = int64(One) / 2
	switch {
	case p.millionths >= half:
		return p.whole + 1
	case p.millionths <= -half:
		return p.whole - 1
	}
	return p.whole
}

// Plus is the sum of two products of one sign, still exact.
func (p Product) Plus(q Product) Product {
	sum := Product{whole: p.whole + q.whole, millionths: p.millionths + q.millionths}
	switch one := int64(One); {
	case sum.millionths >= one:
		sum.whole, sum.millionths = sum.whole+1, sum.millionths-one
	case sum.millionths <= -one:
		sum.whole, sum.millionths = sum.whole-1, sum.millionths+one
	}
	return sum
}

// String writes the exact decimal.
func (p Product) String() string { return string(p.Append(nil)) }

// Append writes the exact decimal at the end of dst.
func (p Product) Append(dst []byte) []byte {
	if p.whole < 0 || p.millionths < 0 {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, magnitude(p.whole), 10)
	rest := magnitude(p.millionths)
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := uint64(One) / 10; rest > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit))
		rest %= unit
	}
	return dst
}

// MarshalText writes the exact decimal.
func (p Product) MarshalText() ([]byte, error) { return p.Append(nil), nil }

// UnmarshalText reads what Append writes.
func (p *Product) UnmarshalText(text []byte) error {
	unsigned, negative := strings.CutPrefix(string(text), "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if !allDigits(whole) || point && !allDigits(fraction) || len(fraction) > 6 {
		return fmt.Errorf("reading %q: not a decimal of at most six places", text)
	}
	units, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return fmt.Errorf("reading %q: %w", text, err)
	}
	millionths, err := strconv.ParseInt(fraction+strings.Repeat("0", 6-len(fraction)), 10, 64)
	if err != nil {
		return fmt.Errorf("reading %q: %w", text, err)
	}
	if negative {
		units, millionths = -units, -millionths
	}
	*p = Product{whole: units, millionths: millionths}
	return nil
}
