package commission

import "fmt"

// Decision is what follows from the facts of an order: who earns what on it, and why, or why nobody does. It is the
// record of itself: AppendJSON writes it, UnmarshalRecord reads it.
type Decision struct {
	// Outcome is Credited, or the reason why nobody earns.
	Outcome Reason `json:"outcome"`
	Order   Order  `json:"order"`
	// Touches are all that could have earned, the visits first. There are none while the sale is not known.
	Touches []Touch `json:"touches,omitempty"`
	// Credits are who earns what: of partners in the order of their touches, at most MaxCredits. The last click takes all, so
	// there is one today.
	Credits []Credit `json:"credits,omitempty"`
	// Would are the credits that a test order has no more of than to be shown.
	Would []Credit `json:"would,omitempty"`
}

// Evidence is all that a decision reads beside its order. Whoever decides has looked it up, as of the order's time.
type Evidence struct {
	// Candidates are what may earn: one for each of Order.Visits, in that order, then its coupons and referral code where the
	// merchant has terms that credit such, then the partners' claims, then whom the customer belongs to.
	Candidates []Candidate
	// Customer is how the order's customer stood when it was placed.
	Customer View
	// Use is how the click id that the order names had been used with it.
	Use Use
	// Rates are those of currencies, as they were last published before the order was placed.
	Rates []Rate
}

// Decider decides on an order as Decide does.
type Decider func(order Order, evidence Evidence) (Decision, error)

// Decide says who earns what on an order, given the evidence. It depends on these values and nothing else: no clock, no
// catalogue, and no earlier decision. Terms of the order's merchant that a later version wrote are a *NewerError, and
// others that cannot be read a *TermsError.
func Decide(order Order, evidence Evidence) (Decision, error) {
	if err := evidence.complete(&order); err != nil {
		return Decision{}, err
	}
	for i := range evidence.Candidates {
		found := &evidence.Candidates[i].Link
		if found.Terms == nil || found.Merchant != order.Merchant {
			continue // no terms apply
		}
		if err := readable(found.Program, found.Terms); err != nil {
			return Decision{}, err
		}
	}
	d := Decision{Order: order, Outcome: AwaitingSale}
	if !order.Placed() {
		d.review()
		return d, nil
	}
	if evidence.awaitsPath(&d.Order) {
		d.await(&evidence)
		return d, nil
	}
	var room [4]winner
	var winners []winner
	d.Touches, winners = attribute(&d.Order, &evidence, room[:0])
	d.Outcome = outcome(d.Touches)
	d.credit(winners, &evidence)
	d.watch()
	d.review()
	if err := d.Share(); err != nil {
		return d, err
	}
	d.setAside()
	return d, nil
}

// complete refuses evidence that lacks one of the order's visits, or has another.
func (e *Evidence) complete(o *Order) error {
	have := 0
	for i := range e.Candidates {
		if e.Candidates[i].Kind.visits() {
			have++
		}
	}
	want := o.visits()
	if len(o.Path) > 0 && want > 0 {
		var room [8]PathTouch
		want = len(o.appendVisits(room[:0]))
	}
	if have != want {
		return fmt.Errorf("deciding order %q: there are %d candidates for %d visits", o.ID, have, want)
	}
	return nil
}

// outcome is what became of an order with these touches: Credited where one of them won, else why its first visit earns
// nothing, or its first coupon where there is no visit.
func outcome(touches []Touch) Reason {
	why, visited := NoClick, false
	for i := range touches {
		switch t := &touches[i]; {
		case t.Won:
			return Credited
		case visited || why != NoClick && !t.Kind.visits():
		case t.Kind.visits() || t.Reason.OfOrder():
			why, visited = t.Reason, t.Kind.visits()
		}
	}
	return why
}
