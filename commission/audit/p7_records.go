package audit

// P7: any commission can be explained; the record of a decision says what its order is decided by today.

import (
	"bytes"
	"errors"
	"slices"

	"tributary/commission"
)

// decide decides the order again, and gives what its record says: nil when that cannot be read, which it takes down.
func (v *Verification) decide(at Finding, o *order) (*commission.Decision, error) {
	recorded := &o.recorded
	switch newer := (*commission.NewerError)(nil); {
	case errors.As(o.unreadable, &newer):
		return nil, o.unreadable
	case o.unreadable != nil:
		recorded = nil
		at := at
		at.Column, at.Want, at.Have = "decision", "the record of a decision", o.unreadable.Error()
		v.Find(at)
	}
	if o.unfolded != nil {
		return nil, o.unfolded
	}
	v.withhold(at, o)
	var err error
	o.decided, err = v.Decide(o.folded, o.evidence)
	return recorded, err
}

// withhold leaves the clicks of an order as they were when its record was written: the engine decides an order again with a
// click key that was missing at its next start, or nobody who holds the key has asked it to yet.
func (v *Verification) withhold(at Finding, o *order) {
	for i := range o.evidence.Candidates {
		c := &o.evidence.Candidates[i]
		click := c.Click
		if click.Refused == commission.UnknownClickKey || !slices.Contains(o.recorded.Keyless(), click.ID) {
			continue
		}
		at.Severity = Attention
		v.Compare(at, "outcome", "decided with the click key that was missing: start the engines with it", o.outcome)
		*c = commission.Candidate{Kind: c.Kind, Marks: c.Marks, Click: commission.Click{ID: click.ID, Refused: commission.UnknownClickKey}}
	}
}

// undecided takes down that an order cannot be decided: because a later version has to, or because of its events.
func (v *Verification) undecided(at Finding, err error) {
	at.Want, at.Have = "events of one order", err.Error()
	if newer := (*commission.NewerError)(nil); errors.As(err, &newer) {
		at.Severity, at.Want = Attention, "what this version knows"
	}
	v.Find(at)
}

// record compares the record of an order with its decision: the bytes of one in the present form, and all that matters of one
// in an earlier form.
func (v *Verification) record(at Finding, o *order, recorded *commission.Decision) {
	if recorded == nil {
		return
	}
	if form, err := commission.FormOf(o.record); err == nil && form != v.Forms.Current() {
		for _, c := range commission.Contradictions(recorded, &o.decided) {
			v.Compare(at, "decision, "+c.What, c.Decided, c.Recorded)
		}
		return
	}
	if want := v.Forms.Append(nil, &o.decided); !bytes.Equal(want, o.record) {
		v.Compare(at, "decision", string(want), string(o.record))
	}
}
