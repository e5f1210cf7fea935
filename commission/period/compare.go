package period

import (
	"fmt"
	"slices"
	"strconv"

	"tributary/commission"
)

// Contradiction is something in which two settlements of one period differ.
type Contradiction struct {
	// Day is that of the sales, Band where in the measure they stand; absent where it is about the whole period.
	Day  commission.Day
	Band string
	// What names it, Recorded and Decided are the two values.
	What, Recorded, Decided string
}

// Contradictions compares what a record says a period comes to with what its orders come to now: days first, then bands.
func Contradictions(rules Rules, recorded, decided *Settlement) (all []Contradiction) {
	note := func(at Contradiction, what string, was, is int64) {
		if was != is {
			at.What, at.Recorded, at.Decided = what, strconv.FormatInt(was, 10), strconv.FormatInt(is, 10)
			all = append(all, at)
		}
	}
	was := map[Bucket]*Paid{}
	for i := range recorded.Buckets {
		was[recorded.Buckets[i].Bucket] = &recorded.Buckets[i]
	}
	compare := func(was, is *Paid, of *Settlement) {
		at := Contradiction{Day: is.Day, Band: of.BandAt(rules, is)}
		note(at, "count", was.Sums.Count, is.Sums.Count)
		note(at, "revenue", was.Sums.Revenue, is.Sums.Revenue)
		note(at, "commission", was.Sums.Commission, is.Sums.Commission)
		note(at, "amount", was.Amount, is.Amount)
		note(at, "fee", was.Fee, is.Fee)
		for n := range max(len(was.Changes), len(is.Changes)) {
			var before, after Change
			if n < len(was.Changes) {
				before = was.Changes[n]
			}
			if n < len(is.Changes) {
				after = is.Changes[n]
			}
			note(at, fmt.Sprintf("change %d of its amount", n+1), before.Amount, after.Amount)
			note(at, fmt.Sprintf("change %d of its fee", n+1), before.Fee, after.Fee)
			note(at, fmt.Sprintf("day of change %d", n+1), int64(before.Day), int64(after.Day))
		}
	}
	for i := range decided.Buckets {
		is := &decided.Buckets[i]
		before := was[is.Bucket]
		if delete(was, is.Bucket); before == nil {
			before = &Paid{}
		}
		compare(before, is, decided)
	}
	for i := range recorded.Buckets {
		if gone := &recorded.Buckets[i]; was[gone.Bucket] != nil {
			none := Paid{Bucket: gone.Bucket, Before: gone.Before}
			compare(gone, &none, recorded)
		}
	}
	for _, is := range decided.Bands {
		n := slices.IndexFunc(recorded.Bands, func(b Band) bool { return b.Rule == is.Rule && b.From == is.From && b.To == is.To })
		before := Band{}
		if n >= 0 {
			before = recorded.Bands[n]
		}
		at := Contradiction{Band: is.String()}
		note(at, "what comes into it", before.Of, is.Of)
		note(at, "what it pays", before.Amount, is.Amount)
	}
	return all
}

// BandAt is the band that a bucket's measure reaches, "" below the first.
func (s *Settlement) BandAt(rules Rules, p *Paid) (band string) {
	rule := rules[p.Rule]
	if rule == nil {
		return ""
	}
	reached := p.Before.Plus(p.Sums).Of(rule.Period.Measure)
	for _, b := range s.Bands {
		if b.Rule == p.Rule && b.From <= reached {
			band = b.String()
		}
	}
	return band
}

// String is where the band begins and ends.
func (b Band) String() string {
	if b.To == 0 {
		return fmt.Sprintf("from %d", b.From)
	}
	return fmt.Sprintf("%d to %d", b.From, b.To)
}

// BucketAt is the bucket that something becomes true of at a movement's time: it changes then, or its hold ends; nil where none is.
func (s *Settlement) BucketAt(m *commission.Movement) *Paid {
	for i := range s.Buckets {
		p := &s.Buckets[i]
		if p.HoldUntil.Equal(m.At) || slices.ContainsFunc(p.Changes, func(c Change) bool { return c.At.Equal(m.At) }) {
			return p
		}
	}
	return nil
}
