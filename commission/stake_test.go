package commission

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tributary/partners/program"
)

// TestWhatALostDisputeLeaves holds, for each dispute that is open, that what is said beforehand is what comes of losing it.
func TestWhatALostDisputeLeaves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms, s := drawDocument(t, true), drawSale(t)
		terms.Hold = program.Duration(30 * day)
		weights := rapid.SliceOfN(rapid.Int64Range(1, 5), 1, 3).Draw(t, "weights")
		up := program.Enrolment{Recruiter: 5, Recruiter2: 6}
		s.reviews, s.disputes = drawReviews(t), drawDisputes(t, func(id string) string { return id })
		d := sharedBy(t, terms, s, weights, up)
		for _, dispute := range d.Order.Disputes {
			said := d.IfLost(dispute.ID)
			if (said != nil) != (dispute.State == DisputeOpen) {
				t.Fatalf("dispute %q is %s: %v", dispute.ID, dispute.State, said)
			}
			if said == nil {
				continue
			}
			after := s
			after.disputes = append(slices.Clone(s.disputes), Dispute{ID: dispute.ID, At: noon().Add(inWhole * day), State: DisputeLost})
			lost := sharedBy(t, terms, after, weights, up)
			for i, left := range said {
				if c := &lost.Credits[i]; left != (Left{c.Net, c.Fee}) {
					t.Fatalf("dispute %q: credit %d would have %+v, and has %d and a fee of %d", dispute.ID, i, left, c.Net, c.Fee)
				}
			}
		}
	})
}

// TestAnUnknownDisputeTakesNothing asks what would come of losing one that the order has not.
func TestAnUnknownDisputeTakesNothing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		disputes, id string
		want         []Left
	}{
		{"", "a", nil},
		{"a@5=5000", "b", nil},
		{"a@5=5000 a:won@6", "a", nil},
		{"a@5=5000JPY", "a", nil}, // of a currency that the order is not in
		{"a@5=5000", "a", []Left{{500, 100}}},
		{"a@5=3000 b@6=4000", "b", []Left{{600, 120}}},
		{"a@5=all b@6=4000", "b", []Left{{600, 120}}},
		{"a@5=all b@6=4000", "a", []Left{{0, 0}}},
	} {
		s := order(10_000)
		s.disputes = disputesOf(t, row.disputes)
		if d := decideBy(t, reviewable(t), s); !slices.Equal(d.IfLost(row.id), row.want) {
			t.Errorf("%q, %s: %v, want %v", row.disputes, row.id, d.IfLost(row.id), row.want)
		}
	}
}
