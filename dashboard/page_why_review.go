package dashboard

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// sideOf is the side of a role that may review orders.
func sideOf(role audience) commission.Side {
	if role == operatorOnly {
		return commission.ByOperator
	}
	return commission.ByMerchant
}

// side is the reader's.
func (view *whyView) side() commission.Side { return sideOf(view.role) }

// waiting are the reviews of the reader's own side that can still be undone.
func (view *whyView) waiting() (list []report.Review) {
	for _, r := range view.Reviews {
		if view.forMerchant && r.TakenAt == nil && r.Side == string(view.side()) {
			list = append(list, r)
		}
	}
	return list
}

// verbs are what the order as it stands can be said of, besides another report.
func (view *whyView) verbs() (list []commission.Verb) {
	d := &view.Decision
	if !view.forMerchant || d.Order.IsVoid() {
		return nil
	}
	var free, held, inHold, extends bool
	for i := range d.Credits {
		c, state := &d.Credits[i], commission.State(view.earning(i).State)
		if state == commission.Declined {
			continue
		}
		held = held || c.Held
		free = free || !c.Held
		open := view.at.Before(c.HoldUntil)
		inHold = inHold || open && !c.Held
		extends = extends || open && c.Terms.ExtensionSeconds > 0
	}
	extended := slices.ContainsFunc(view.Reviews, func(r report.Review) bool {
		return r.Verb == string(commission.Extend) && r.Became() == report.ReviewDone
	})
	for _, verb := range []struct {
		is   commission.Verb
		fits bool
	}{
		{commission.Hold, free},
		{commission.Unhold, held},
		{commission.Approve, inHold},
		{commission.Extend, extends && !extended},
		{commission.Decline, free || held},
		{commission.Void, true},
	} {
		if verb.fits {
			list = append(list, verb.is)
		}
	}
	return list
}

// sharers are the partners who earn on the order, each once; nobody where it is one alone.
func (view *whyView) sharers() (list []program.PartnerID) {
	for i := range view.Decision.Credits {
		if id := view.Decision.Credits[i].Partner; id != 0 && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	if len(list) < 2 {
		return nil
	}
	return list
}

// reviewCode says the code of a review.
func reviewCode(t *text.Printer, code string) string {
	if code == commission.HeldForRemoval {
		return t.ReviewPartnerRemoved()
	}
	return t.DeclineCode(code)
}

// reviewed is a review as an entry of the order's history.
func (view *whyView) reviewed(t *text.Printer, r *report.Review) milestone {
	m := milestone{at: r.At, title: t.Verb(r.Verb), of: view.Partners[program.PartnerID(r.PartnerID)]}
	said := []string{t.ReviewBy(r.Side)}
	if r.Author != "" {
		said[0] = t.ReviewByWhom(r.Side, r.Author)
	}
	if r.Code != "" {
		said = append(said, reviewCode(t, r.Code))
	}
	switch r.Became() {
	case report.ReviewWaits:
		said = append(said, takesEffect(t, r.Due, view.at))
	case report.ReviewWithdrawn:
		said = append(said, t.ReviewWithdrawn())
	case report.ReviewNothing:
		said = append(said, t.ReviewNothing(whyNothing(t, r.Problem, r.NoEffect)))
	default:
		m.mood = "done"
		if verb := commission.Verb(r.Verb); verb == commission.Decline || verb == commission.Void {
			m.mood = "bad"
		}
	}
	m.text, m.note = strings.Join(said, " "), r.Note
	return m
}

// tooLate says what happened to a review that somebody wanted to withdraw.
func (view *whyView) tooLate(t *text.Printer) string {
	when := t.Second(view.late.Taken)
	switch view.late.Effect {
	case "":
		return t.ReviewLate(when)
	case report.ReviewWithdrawn:
		return t.ReviewLateWithdrawn(when)
	}
	return t.ReviewLateNothing(when, whyNothing(t, view.late.Effect, view.late.Effect))
}

// A rivalView is a report of the order, or of a refund, that may stand in place of the one that does, and who has asked for that.
type rivalView struct {
	conflict

	hash string
	// stands tells that it has taken the place of the first; asked are the sides that have asked for that.
	stands bool
	asked  []commission.Side
	// first is the report in whose place it stands, which may stand again; else nil.
	first *rivalView
}

// rivals are the reports without effect that may stand in place of others.
func (view *whyView) rivals(t *text.Printer) (list []rivalView) {
	for i := range view.Rivals {
		x := &view.Rivals[i]
		if x.Refused() {
			continue
		}
		rival, first := view.rival(x.Second), view.rival(x.First)
		if rival.hash == "" {
			continue
		}
		if rival.conflict = (conflict{Conflict: *x, fields: contrastsOf(t, x)}); rival.hash == view.standing(x) {
			rival.stands, rival.first = true, &first
		}
		list = append(list, rival)
	}
	return list
}

// rival is a report of which one must say whether it is to stand.
func (view *whyView) rival(payload []byte) (x rivalView) {
	e, err := event.Decode(payload)
	if err != nil {
		return x
	}
	x.hash = hex.EncodeToString(e.Content())
	for _, r := range view.Reviews {
		if r.Report != x.hash || r.Verb != string(commission.Replace) {
			continue
		}
		side, open := commission.Side(r.Side), r.Became() == report.ReviewWaits || r.NoEffect == string(commission.NeedsOtherSide)
		switch {
		case r.Became() == report.ReviewDone:
			x.asked = nil // both had
		case open && !slices.Contains(x.asked, side):
			x.asked = append(x.asked, side)
		}
	}
	return x
}

// standing is the hash of the report that people have put in place of the first of the same fact as a conflict's; empty where the
// first stands, as at first or again.
func (view *whyView) standing(of *report.Conflict) (hash string) {
	asked := map[string]bool{}
	for i := range view.Rivals {
		if x := &view.Rivals[i]; x.Kind == of.Kind && x.Ref == of.Ref {
			asked[view.rival(x.First).hash], asked[view.rival(x.Second).hash] = true, true
		}
	}
	for _, r := range view.Reviews {
		if r.Verb == string(commission.Replace) && r.Became() == report.ReviewDone && asked[r.Report] {
			hash = r.Report
		}
	}
	return hash
}

// state says who has asked that the report stand, and who must.
func (x *rivalView) state(t *text.Printer, reader commission.Side) string {
	mine := slices.Contains(x.asked, reader)
	switch {
	case x.stands:
		return t.ReplaceStands()
	case mine && len(x.asked) > 1:
		return t.ReplaceBoth()
	case mine:
		return t.ReplaceMine(string(reader))
	case len(x.asked) > 0:
		return t.ReplaceTheirs(string(reader))
	}
	return t.ReplaceNobody(string(reader))
}

// canAsk tells whether the reader's side has still to ask.
func (x *rivalView) canAsk(reader commission.Side) bool {
	return !x.stands && !slices.Contains(x.asked, reader)
}

// isOpen tells whether the form of a verb is shown open, since something is wrong with it.
func (view *whyView) isOpen(verb commission.Verb, report string) bool {
	return view.act.Verb == string(verb) && cmp.Or(view.act.Report, report) == report && len(view.act.problems) > 0
}

func reviewNo(r report.Review) string { return strconv.FormatInt(r.No, 10) }

func (view *whyView) path() string { return string(orderURL(view.role, view.No)) }
