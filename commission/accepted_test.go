package commission

import (
	"testing"
	"time"
)

func TestTermsNotAcceptedPayNothing(t *testing.T) {
	t.Parallel()
	events, found := threeLines(), benchmarkTerms()
	click := Click{ID: events[0].GetSale().GetClickId(), Link: 7, At: noon().Add(-time.Hour)}
	for refused, outcome := range map[bool]Reason{false: Credited, true: TermsNotAccepted} {
		found.NotAccepted = refused
		if d := decide(mustFold(t, events...), click, found); d.Outcome != outcome || (len(d.Credits) > 0) == refused {
			t.Errorf("not accepted %t: %s with %d credits", refused, d.Outcome, len(d.Credits))
		}
	}
}
