package program

import (
	"slices"
	"time"
)

// State is where a partner stands in a program.
type State string

// The states. An enrolment of which no fact says otherwise is Approved at all times.
const (
	Invited  State = "invited"
	Applied  State = "applied"
	Approved State = "approved"
	Declined State = "declined"
	Paused   State = "paused"
	Left     State = "left"
	// RemovedForBreach and RemovedForFraud are removed, with the cause. Only fraud reaches orders that come of clicks from before.
	RemovedForBreach State = "removed:breach"
	RemovedForFraud  State = "removed:fraud"
	// Nobody is not in the program yet: before the first fact of an enrolment that began with an invitation or an application.
	Nobody State = ""
)

// States are those that a fact may state.
func States() []State {
	return []State{Invited, Applied, Approved, Declined, Paused, Left, RemovedForBreach, RemovedForFraud}
}

// ReapplyAfter is how long after being declined a partner may apply again.
const ReapplyAfter = 30 * 24 * time.Hour

// Actor is whose people take a step. The operator may take any of them.
type Actor string

// The actors.
const (
	ByPartner  Actor = "partner"
	ByMerchant Actor = "merchant"
)

// Step is one that an enrolment may take, and who takes it.
type Step struct {
	From, To State
	By       Actor
}

// Steps is the whole state machine. The function enrolment_step in PostgreSQL holds the same table, which a test compares.
func Steps() []Step {
	return []Step{
		{Nobody, Invited, ByMerchant},
		{Nobody, Applied, ByPartner},
		{Invited, Approved, ByPartner},
		{Applied, Approved, ByMerchant},
		{Applied, Declined, ByMerchant},
		{Declined, Applied, ByPartner},
		{Approved, Paused, ByMerchant},
		{Paused, Approved, ByMerchant},
		{Approved, Left, ByPartner},
		{Paused, Left, ByPartner},
		{Left, Applied, ByPartner},
		{Approved, RemovedForBreach, ByMerchant},
		{Approved, RemovedForFraud, ByMerchant},
		{Paused, RemovedForBreach, ByMerchant},
		{Paused, RemovedForFraud, ByMerchant},
		{Left, RemovedForFraud, ByMerchant},
		{Applied, RemovedForFraud, ByMerchant},
		{Declined, RemovedForFraud, ByMerchant},
	}
}

// Removed reports whether the partner was removed, for whatever cause.
func (s State) Removed() bool { return s == RemovedForBreach || s == RemovedForFraud }

// StateAt gives the state at a time by facts that ascend by From and No: the one that was stated last among those that have begun.
// So what is stated takes the place of what had been planned for later.
func StateAt(facts []Fact, at time.Time) State {
	first, is := stated(facts, at)
	switch {
	case is != nil:
		return State(is.Value)
	case first != nil && State(first.Value).begins():
		return Nobody
	}
	return Approved
}

// MayFollow reports whether a fact that states a state may be added to those that are there, which ascend by From and No.
func (f *Fact) MayFollow(facts []Fact) bool {
	to := State(f.Value)
	first, is := stated(facts, f.From.Add(-1))
	switch {
	case is != nil:
		return State(is.Value).mayBecome(to) && (State(is.Value) != Declined || f.From.Sub(is.From) >= ReapplyAfter)
	case first == nil && to.begins():
		return Nobody.mayBecome(to)
	}
	return Approved.mayBecome(to)
}

// stated gives the first fact of a state, and the one that holds at a time; nil for none.
func stated(facts []Fact, at time.Time) (first, is *Fact) {
	for i := range facts {
		f := &facts[i]
		if f.Kind != FactState {
			continue
		}
		if first == nil {
			first = f
		}
		if !f.From.After(at) && (is == nil || f.No > is.No) {
			is = f
		}
	}
	return first, is
}

// begins reports whether an enrolment may begin with the state.
func (s State) begins() bool { return s == Invited || s == Applied }

func (s State) mayBecome(to State) bool {
	return slices.ContainsFunc(Steps(), func(step Step) bool { return step.From == s && step.To == to })
}
