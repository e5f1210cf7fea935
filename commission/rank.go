package commission

import (
	"fmt"
	"slices"
)

// Rank says which touches come before which: of those of an order that may earn, the ones of the best rank do.
type Rank uint8

// The ranks, the best first.
const (
	// RankOperator is a partner's claim that was granted.
	RankOperator Rank = iota + 1
	// RankBound is the partner to whom the customer belongs.
	RankBound
	// RankExclusive is a coupon that is one partner's alone, or a referral code where the terms say so.
	RankExclusive
	// RankClick is a click on a tracking link.
	RankClick
	// RankShared is any other coupon or referral code.
	RankShared
	// RankSoft is a click that a tag or a browser extension has reported.
	RankSoft
	// RankImpression is a creative that was shown.
	RankImpression
)

// Ranking is a row of the table of ranks.
type Ranking struct {
	Rank Rank
	// Name is the rank in records and in internal/text.
	Name string
	// Split says that the model of the terms decides how several touches of the rank share. Of others the last one takes all,
	// of those at once the first named.
	Split bool
}

// Ranks is the whole table, the best first. It is the only one: code, pages and docs go by it.
func Ranks() []Ranking {
	return []Ranking{
		{RankOperator, "operator", false},
		{RankBound, "bound", false},
		{RankExclusive, "exclusive", false},
		{RankClick, "click", true},
		{RankShared, "shared", false},
		{RankSoft, "soft", true},
		{RankImpression, "impression", true},
	}
}

// rankOf is where the kind of a touch alone puts it.
func rankOf(kind TouchKind) Rank {
	switch kind {
	case TouchClaim:
		return RankOperator
	case TouchCustomer:
		return RankBound
	case TouchCoupon, TouchCode:
		return RankShared
	case TouchSoft:
		return RankSoft
	case TouchImpression:
		return RankImpression
	case TouchClick, TouchClicks:
		return RankClick
	}
	return RankClick
}

// Ranked is where the touch stands in the table of ranks.
func (t *Touch) Ranked() Rank {
	if t.Rank != 0 {
		return t.Rank
	}
	return rankOf(t.Kind)
}

// row finds the rank in the table.
func (r Rank) row() Ranking {
	if ranks := Ranks(); r > 0 && int(r) <= len(ranks) {
		return ranks[r-1]
	}
	return Ranking{Rank: r, Name: fmt.Sprintf("rank %d", r)}
}

// String is the rank as records, pages and docs name it.
func (r Rank) String() string { return r.row().Name }

// MarshalText writes the rank's name.
func (r Rank) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the rank's name.
func (r *Rank) UnmarshalText(text []byte) error {
	ranks := Ranks()
	i := slices.IndexFunc(ranks, func(row Ranking) bool { return row.Name == string(text) })
	if i < 0 {
		return fmt.Errorf("%q is not a rank", text)
	}
	*r = ranks[i].Rank
	return nil
}
