package program

import (
	"testing"
	"time"
)

func TestAStateHoldsUntilTheNextIsStated(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 9, 10, 12, 1, 0, 0, time.UTC)
	no := int64(0)
	stated := func(after time.Duration, state State) Fact {
		no++
		return Fact{No: no, Kind: FactState, Value: string(state), From: began.Add(after)}
	}
	group := Fact{No: 99, Kind: FactGroup, Value: "vip", From: began.Add(-time.Hour)}
	paused := []Fact{group, stated(0, Paused), stated(time.Hour, Approved)}
	applied := []Fact{stated(0, Applied), stated(time.Hour, Approved)}
	leaves, removed := stated(time.Hour, Left), stated(0, RemovedForFraud)
	for _, row := range []struct {
		name  string
		facts []Fact
		at    time.Duration
		want  State
	}{
		{"nothing is stated", []Fact{group}, 0, Approved},
		{"before the first", paused, -time.Millisecond, Approved},
		{"at its first millisecond", paused, 0, Paused},
		{"until the last before the next", paused, time.Hour - time.Millisecond, Paused},
		{"at the next", paused, time.Hour, Approved},
		{"before an application", applied, -time.Millisecond, Nobody},
		{"an application", applied, time.Minute, Applied},
		{"what was planned", []Fact{leaves}, time.Hour, Left},
		{"something else in its place", []Fact{removed, leaves}, time.Hour, RemovedForFraud},
	} {
		if got := StateAt(row.facts, began.Add(row.at)); got != row.want {
			t.Errorf("%s: %q, not %q", row.name, got, row.want)
		}
	}
}

func TestWhichStateMayFollow(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 9, 10, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		before []State // a day apart
		after  time.Duration
		to     State
		may    bool
	}{
		{nil, day, Applied, true},
		{nil, day, Paused, true},
		{nil, day, Approved, false},
		{nil, day, Declined, false},
		{[]State{Applied}, day, Approved, true},
		{[]State{Applied}, day, Paused, false},
		{[]State{Applied}, 0, Approved, false},
		{[]State{Applied, Declined}, 30 * day, Applied, false},
		{[]State{Applied, Declined}, 31 * day, Applied, true},
		{[]State{Paused}, day, Approved, true},
		{[]State{Paused}, day, Applied, false},
		{[]State{Left}, day, Applied, true},
		{[]State{Left}, day, Paused, false},
		{[]State{Left}, day, RemovedForFraud, true},
		{[]State{Left}, day, RemovedForBreach, false},
		{[]State{RemovedForFraud}, day, Approved, false},
		{[]State{RemovedForBreach}, day, Applied, false},
		{[]State{Paused, Left}, day / 2, RemovedForFraud, true}, // in the place of what was planned
	} {
		var facts []Fact
		for n, state := range row.before {
			facts = append(facts, Fact{No: int64(n + 1), Kind: FactState, Value: string(state), From: began.Add(time.Duration(n) * day)})
		}
		f := Fact{Kind: FactState, Value: string(row.to), From: began.Add(row.after)}
		if got := f.MayFollow(facts); got != row.may {
			t.Errorf("%v, then %q after %s: %t", row.before, row.to, row.after, got)
		}
	}
}
