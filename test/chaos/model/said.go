package model

import (
	"cmp"
	"slices"
	"time"
)

// Said is what somebody said of an order, and did not withdraw in time.
type Said struct {
	OrderKey

	// ID and At are what it is sorted by; At is when it was said, by the database's clock.
	ID string    `json:"id,omitempty"`
	At time.Time `json:"at,omitzero"`
	// Verb is hold, unhold, decline, extend, approve or void; claim, grant or refuse are of a partner's claim; dispute, won or lost are of
	// a customer's dispute, whose id ID is.
	Verb string `json:"verb"`
	// Partner is whose share it is about, 0 for the order, or who claims it, for their link in Program.
	Partner int64 `json:"partner,omitempty"`
	Program int64 `json:"program,omitempty"`
	// Until is the end of the hold that an extension asks for; zero for all that the terms allow.
	Until time.Time `json:"until,omitzero"`
	// Amount is what is disputed, minor units; 0 for all of the order.
	Amount int64 `json:"amount,omitempty"`
}

// Say enters what somebody said. Each is said once.
func (b *Books) Say(s Said) { b.said[s.OrderKey] = append(b.said[s.OrderKey], s) }

// saidOf is what was said of an order, by its time and then by its id.
func (b *Books) saidOf(key OrderKey) []Said {
	return slices.SortedFunc(slices.Values(b.said[key]), func(a, b Said) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
}

// void tells whether somebody has said that an order never was.
func (b *Books) void(key OrderKey) bool {
	return slices.ContainsFunc(b.said[key], func(s Said) bool { return s.Verb == "void" })
}

// granted are the claims of an order that were granted and not refused before.
func (b *Books) granted(key OrderKey) (claims []Said) {
	type claim struct{ program, partner int64 }
	answered := map[claim]bool{}
	for _, s := range b.saidOf(key) {
		of := claim{s.Program, s.Partner}
		if s.Verb != "grant" && s.Verb != "refuse" || answered[of] {
			continue
		}
		answered[of] = true
		if s.Verb == "grant" {
			claims = append(claims, s)
		}
	}
	return claims
}

// outcome is what people have made of a share of an order.
type outcome struct {
	until          time.Time // the end of its hold
	held, declined bool
}

// reviewed is what people have made of the shares of an order. What its state does not allow does nothing.
func (b *Books) reviewed(s Sale, terms *Terms, shares []share) []outcome {
	all := make([]outcome, len(shares))
	for n := range shares {
		all[n].until = s.heldFrom().Add(terms.Hold + shares[n].longer)
	}
	extended := false
	for _, said := range b.saidOf(s.OrderKey) {
		if said.At.Before(s.At) {
			said.At = s.At
		}
		if said.Verb == "extend" && extended {
			continue
		}
		for n := range all {
			if said.Partner != 0 && said.Partner != shares[n].partner {
				continue
			}
			if all[n].take(said, terms.Extension) && said.Verb == "extend" {
				extended = true
			}
		}
	}
	return all
}

// take changes a share as somebody has said, and tells whether that could be.
func (o *outcome) take(s Said, extension time.Duration) bool {
	over := !s.At.Before(o.until)
	switch {
	case o.declined:
		return false
	case s.Verb == "decline":
		o.declined = true
		return true
	case s.Verb == "hold" && !o.held, s.Verb == "unhold" && o.held:
		o.held = !o.held
		return true
	case s.Verb == "approve" && !o.held && !over:
		o.until = s.At
		return true
	case s.Verb != "extend" || over:
		return false
	}
	longer := extension
	if !s.Until.IsZero() {
		longer = s.Until.Sub(o.until)
	}
	if longer <= 0 || longer > extension {
		return false
	}
	o.until = o.until.Add(longer)
	return true
}
