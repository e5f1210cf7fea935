// Package money is the arithmetic of step 5 in the life of a click, where an order becomes a commission: whole minor
// units in int64, rates in parts per million, one rounding rule (half away from zero) and no floating point. It also
// knows the currencies in force and how an amount is read and written.
//
// Callers keep amounts within MaxAmount, so that the sums of an account fit an int64. A product is taken
// in 128 bits; a result that does not fit an int64, which takes amounts beyond MaxAmount, is a panic rather than a
// wrong amount.
package money

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// MaxAmount bounds an amount of money in minor units: a hundred billions in a currency with two decimals, which leaves
// room for those whose unit is worth a hundred-thousandth of others'. An order of that size adds up to twice as much to its
// merchant's account, at a commission and a fee of 100 %, so an int64 holds 460,000 such orders, or ten thousand a second
// of a thousand units each, at 10 %, for two hundred years.
const MaxAmount = 10_000_000_000_000

// One is the rate of 100 %.
const One Rate = 1_000_000

// Rate is a share in parts per million: 72,500 is 7.25 %.
type Rate int64

// Of is the rate times the amount, rounded half away from zero. For a rate from 0 to One it is never larger than the
// amount and cannot overflow.
func (r Rate) Of(amount int64) int64 {
	return Scale(amount, int64(r), int64(One))
}

// Scale is amount x numerator / denominator, rounded half away from zero once, from the exact product. It panics when
// the denominator is not positive or the result does not fit an int64.
func Scale(amount, numerator, denominator int64) int64 {
	if denominator <= 0 {
		panic(fmt.Sprintf("money: scaling by %d/%d: the denominator must be above zero", numerator, denominator))
	}
	high, low := bits.Mul64(magnitude(amount), magnitude(numerator))
	if high >= uint64(denominator) {
		panic(fmt.Sprintf("money: %d x %d / %d does not fit 64 bits", amount, numerator, denominator))
	}
	whole, rest := bits.Div64(high, low, uint64(denominator))
	// rest < denominator <= 2^63-1, so its double cannot wrap.
	if 2*rest >= uint64(denominator) {
		whole++
	}
	if whole > 1<<63-1 {
		panic(fmt.Sprintf("money: %d x %d / %d does not fit 64 bits", amount, numerator, denominator))
	}
	if (amount < 0) != (numerator < 0) {
		return -int64(whole)
	}
	return int64(whole)
}

// Split divides a total in proportion to weights that are not negative, by largest remainder: each share is its exact
// part rounded down or up, the shares add up to the total, and among equal remainders the earlier one is rounded up
// first. Where every weight is zero they count as equal. There is no share of no weights. It panics on a negative
// weight and when the weights' sum does not fit an int64.
func Split(total int64, weights []int64) []int64 {
	if len(weights) == 0 {
		return nil
	}
	sum := uint64(0)
	for _, w := range weights {
		if w < 0 {
			panic(fmt.Sprintf("money: splitting by a negative weight: %d", w))
		}
		if sum += uint64(w); sum > 1<<63-1 {
			panic("money: the sum of the weights does not fit 64 bits")
		}
	}
	switch {
	case len(weights) == 1:
		return []int64{total}
	case sum == 0:
		return Split(total, slices.Repeat([]int64{1}, len(weights)))
	}
	size := magnitude(total)
	shares := make([]int64, len(weights))
	var room [fewShares]remainder
	rests := roomFor(room[:], len(weights))
	left := size
	for i, w := range weights {
		high, low := bits.Mul64(size, uint64(w))
		whole, rest := bits.Div64(high, low, sum)
		shares[i] = int64(whole)
		rests[i] = remainder{index: i, rest: rest}
		left -= whole
	}
	roundUp(shares, rests, left)
	if total < 0 {
		for i := range shares {
			shares[i] = -shares[i]
		}
	}
	return shares
}

// Blend shares out one thing that is worth something else to each: amounts[i] is what all of it is worth at the price of i,
// weights[i] how much of it i has, in parts of the sum of all weights. Neither may be negative, and some weight is above
// zero. The exact share is amount x weight / sum; the shares add up to the sum of the exact ones, rounded half up once, by
// largest remainder as in Split. Where all amounts are equal it is Split of that amount.
func Blend(amounts, weights []int64) []int64 {
	sum := uint64(0)
	for i, w := range weights {
		if w < 0 || amounts[i] < 0 {
			panic(fmt.Sprintf("money: blending an amount of %d by a weight of %d", amounts[i], w))
		}
		if sum += uint64(w); sum > 1<<63-1 {
			panic("money: the sum of the weights does not fit 64 bits")
		}
	}
	if sum == 0 {
		panic("money: blending without weights")
	}
	shares := make([]int64, len(weights))
	var room [fewShares]remainder
	rests := roomFor(room[:], len(weights))
	high, low := uint64(0), uint64(0) // the sum of the rests: at most as many times the sum of the weights as there are
	for i, w := range weights {
		h, l := bits.Mul64(uint64(amounts[i]), uint64(w))
		whole, rest := bits.Div64(h, l, sum)
		shares[i] = int64(whole)
		rests[i] = remainder{index: i, rest: rest}
		var carry uint64
		low, carry = bits.Add64(low, rest, 0)
		high += carry
	}
	left, rest := bits.Div64(high, low, sum)
	if 2*rest >= sum {
		left++
	}
	roundUp(shares, rests, left)
	return shares
}

// roundUp adds one to so many shares: those of the largest remainders, the earlier of equal ones first.
func roundUp(shares []int64, rests []remainder, left uint64) {
	slices.SortStableFunc(rests, func(a, b remainder) int { return cmp.Compare(b.rest, a.rest) })
	for _, r := range rests[:left] {
		shares[r.index]++
	}
}

// fewShares are those of nearly all divisions: their remainders need no memory of their own.
const fewShares = 8

// roomFor gives place for so many remainders, in room if they fit.
func roomFor(room []remainder, shares int) []remainder {
	if shares <= len(room) {
		return room[:shares]
	}
	return make([]remainder, shares)
}

// remainder is what rounding down took from a share, in parts of the weights' sum.
type remainder struct {
	index int
	rest  uint64
}

// magnitude is the absolute value, also of the one int64 whose negative is not an int64.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
