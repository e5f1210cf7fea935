package commission

import (
	"errors"
	"fmt"
	"slices"

	"tributary/internal/event"
)

// Where the terms of an order's click count the visitor's earlier clicks (attribution.path), the order waits for them: the click's
// row in ClickHouse names them, and who reads it there says so in an event of its own. So Decide stays a function of facts.

// apart takes the paths out of an order's events.
func apart(events []*event.Event) (rest, paths []*event.Event) {
	isPath := func(e *event.Event) bool { return e.GetPath() != nil }
	if !slices.ContainsFunc(events, isPath) {
		return events, nil
	}
	for _, e := range events {
		if isPath(e) {
			paths = append(paths, e)
		} else {
			rest = append(rest, e)
		}
	}
	return rest, paths
}

// resolve enters the path of the order's click, unless the sale, or an addition, tells the visitor's way itself.
func (o *Order) resolve(paths []*event.Event) {
	of := slices.IndexFunc(paths, func(e *event.Event) bool { return e.GetPath().GetClickId() == o.ClickID })
	if of < 0 || len(o.Path) > 0 {
		return
	}
	said := paths[of].GetPath()
	o.Path, o.PathIncomplete, o.Resolved = pathOf(said.GetTouches()), said.GetIncomplete(), true
}

// awaitsPath tells whether the order's own click, the first candidate, is of a program whose terms count the clicks before it,
// and these are not known yet.
func (e *Evidence) awaitsPath(o *Order) bool {
	if o.Resolved || o.ClickID == "" || len(o.Path) > 0 || len(e.Candidates) == 0 {
		return false
	}
	c := &e.Candidates[0]
	terms := c.Link.Terms
	return c.Kind.visits() && c.Click.Refused == "" && c.Link.Merchant == o.Merchant && terms != nil && terms.Scheme != nil &&
		terms.Scheme.Document.Attribution.Path && !o.IsVoid()
}

// await lists the touches of an order that waits for its path. None has won.
func (d *Decision) await(evidence *Evidence) {
	d.Outcome = AwaitingPath
	for i := range evidence.Candidates {
		t := evidence.Candidates[i].judge(&d.Order, &evidence.Use)
		if t.Reason == Credited {
			t.Reason = AwaitingPath
		}
		d.Touches = append(d.Touches, t)
	}
	d.Touches = d.Order.plainTouches(d.Touches)
}

// Awaited is the click whose path the decision waits for; nil where it waits for none.
func (d *Decision) Awaited() *Touch {
	if d.Outcome != AwaitingPath {
		return nil
	}
	return &d.Touches[0]
}

// checkPathFact checks what is said of a visitor's path.
func checkPathFact(p *event.Path) error {
	if err := checkOrderID(p.GetMerchantId(), p.GetOrderId()); err != nil {
		return err
	}
	if p.GetClickId() == "" || len(p.GetClickId()) > event.MaxText {
		return fmt.Errorf("it is of a click whose id has %d bytes", len(p.GetClickId()))
	}
	if p.GetIncomplete() && len(p.GetTouches()) > 0 {
		return errors.New("it is incomplete, and has touches")
	}
	if err := checkTexts(p.GetClickId()); err != nil {
		return err
	}
	return checkPath(p.GetTouches())
}
