package commission

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
)

// TestWhatBecomesOfClaims folds what was said about claims of an order that was placed at noon.
func TestWhatBecomesOfClaims(t *testing.T) {
	t.Parallel()
	said := func(id string, after time.Duration, outcome ClaimOutcome) Claim {
		return Claim{ID: id, At: noon().Add(after), Program: 2, Partner: 7, Outcome: outcome}
	}
	o := plainOrder(t)
	o.Received = noon().Add(time.Hour)
	for _, fact := range []struct {
		name string
		said []Claim
		want string
	}{
		{"nothing", nil, ""},
		{"one is made", []Claim{said("a", day, ClaimIsOpen)}, "a claim_open"},
		{"granted", []Claim{said("a", day, ClaimIsOpen), said("a", 2*day, ClaimIsGranted)}, "a credited"},
		{"read the other way round", []Claim{said("a", 2*day, ClaimIsGranted), said("a", day, ClaimIsOpen)}, "a credited"},
		{"in one moment", []Claim{said("a", day, ClaimIsGranted), said("a", day, ClaimIsOpen)}, "a credited"},
		{"the first outcome stands", []Claim{said("a", 3*day, ClaimIsGranted), said("a", day, ClaimIsOpen), said("a", 2*day, ClaimIsDeclined)}, "a claim_declined"},
		{"made and granted in one", []Claim{said("a", day, ClaimIsGranted)}, "a credited"},
		{"before the order", []Claim{said("a", -day, ClaimIsOpen), said("a", day, ClaimIsGranted)}, "a credited"},
		{"by time, then by id", []Claim{said("b", day, ClaimIsOpen), said("c", 0, ClaimIsOpen), said("a", day, ClaimIsOpen)}, "c claim_open, a claim_open, b claim_open"},
		{"in the last moment", []Claim{said("a", time.Hour+ClaimWithin, ClaimIsGranted)}, "a credited"},
		{"too late", []Claim{said("a", time.Hour+ClaimWithin+time.Microsecond, ClaimIsGranted)}, "a claim_declined"},
		{"too late and open", []Claim{said("a", time.Hour+ClaimWithin+time.Microsecond, ClaimIsOpen)}, "a claim_declined"},
	} {
		var got []string
		for _, c := range FoldClaims(fact.said) {
			reason := c.Refused(&o)
			if reason == "" {
				reason = Credited
			}
			got = append(got, fmt.Sprintf("%s %s", c.ID, reason))
		}
		if got := strings.Join(got, ", "); got != fact.want {
			t.Errorf("%s: %q, want %q", fact.name, got, fact.want)
		}
	}
}

func TestWhatIsReadOfAClaim(t *testing.T) {
	t.Parallel()
	key := event.OrderKey(1, "A")
	for _, fact := range []struct{ content, wrong string }{
		{`{"merchant":1,"order":"A","claim":"k","program":2,"partner":7,"outcome":"open","click":"c"}`, ""},
		{`{"merchant":1,"order":"A","claim":"k","program":2,"partner":7}`, "lacks"},
		{`{"merchant":1,"order":"A","claim":"","program":2,"partner":7,"outcome":"open"}`, "lacks"},
		{`{"merchant":1,"order":"B","claim":"k","program":2,"partner":7,"outcome":"open"}`, `of order "B"`},
		{`{"merchant":1,"keys":1,"order":"A","claim":"k","program":2,"partner":7,"outcome":"open"}`, `of order "A"`},
		{`{`, "reading a claim"},
	} {
		c, err := ParseClaimed([]byte(fact.content), key)
		switch {
		case fact.wrong == "" && (err != nil || c.Of(noon()) != Claim{ID: "k", At: noon(), Program: 2, Partner: 7, Outcome: ClaimIsOpen}):
			t.Errorf("%s: %+v, %v", fact.content, c, err)
		case fact.wrong != "" && (err == nil || !strings.Contains(err.Error(), fact.wrong)):
			t.Errorf("%s: %v, want %q", fact.content, err, fact.wrong)
		}
	}
	_, err := ParseClaimed([]byte(`{"merchant":1,"order":"A","claim":"k","program":2,"partner":7,"outcome":"doubled"}`), key)
	if newer := (*NewerError)(nil); !errors.As(err, &newer) {
		t.Errorf("an outcome of a later version: %v", err)
	}
}
