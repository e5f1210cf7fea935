package program

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsKnownOfAPartnerAtATime(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	on := func(days int, kind FactKind, value string, ends bool) Fact {
		f := Fact{Kind: kind, Value: value, Ends: ends, From: began.Add(time.Duration(days) * day)}
		f.Read()
		return f
	}
	facts := []Fact{
		on(0, FactGroup, "vip", false), on(1, FactGroup, "top", false), on(1, FactGroup, "vip", false), on(1, FactProperty, "coupon_site", false),
		on(2, FactRecruiter, "5", false), on(2, FactOwn, `{"hold":"7d"}`, false), on(3, FactAccept, "2", false), on(4, FactGroup, "vip", true),
		on(4, FactGroup, "new", true), on(4, FactRecruiter, "6", false), on(5, FactRecruiter, "", true), on(5, FactOwn, "", true), on(5, FactProperty, "coupon_site", true),
		on(6, FactOwn, `{"holds":"7d"}`, false),
	}
	seven := 7 * aDay
	own := &Override{Hold: &seven}
	for _, row := range []struct {
		at   time.Time
		want Enrolment
	}{
		{began.Add(-time.Microsecond), Enrolment{}},
		{began, Enrolment{Groups: []string{"vip"}}},
		{began.Add(day), Enrolment{Groups: []string{"vip", "top"}, Properties: []string{"coupon_site"}}},
		{began.Add(2 * day), Enrolment{Groups: []string{"vip", "top"}, Properties: []string{"coupon_site"}, Recruiter: 5, Own: own}},
		{began.Add(4*day - time.Microsecond), Enrolment{Groups: []string{"vip", "top"}, Properties: []string{"coupon_site"}, Recruiter: 5, Own: own, Accepted: []int{2}}},
		{began.Add(4 * day), Enrolment{Groups: []string{"top"}, Properties: []string{"coupon_site"}, Recruiter: 6, Own: own, Accepted: []int{2}}},
		{began.Add(5 * day), Enrolment{Groups: []string{"top"}, Properties: []string{}, Accepted: []int{2}}},
	} {
		e, err := EnrolmentAt(facts, row.at)
		if diff := cmp.Diff(row.want, e); diff != "" || err != nil {
			t.Errorf("at %s: %v (-want +got):\n%s", row.at, err, diff)
		}
	}
	if _, err := EnrolmentAt(facts, began.Add(6*day)); err == nil {
		t.Error("own rules that cannot be read are passed over")
	}
}

func TestWhatIsWrongWithAFact(t *testing.T) {
	t.Parallel()
	d := whole(t, `{"schema":1,"attribution":{"touches":{"click":{}}},"hold":"30d","network_fee":0,"rules":[]}`)
	for _, row := range []struct {
		kind  FactKind
		value string
		ends  bool
		wrong string
	}{
		{FactGroup, "vip", false, ""},
		{FactGroup, "vip", true, ""},
		{FactGroup, "", false, "value"},
		{FactGroup, " vip", false, "value"},
		{FactProperty, strings.Repeat("x", maxText+1), false, "value"},
		{FactRecruiter, "5", false, ""},
		{FactRecruiter, "", true, ""},
		{FactRecruiter, "5", true, "ends"},
		{FactRecruiter, "17", false, "value"},
		{FactRecruiter, "five", false, "value"},
		{FactRecruiter, "0", false, "value"},
		{FactAccept, "2", false, ""},
		{FactAccept, "2", true, "ends"},
		{FactOwn, `{"hold":"7d"}`, false, ""},
		{FactOwn, ``, true, ""},
		{FactOwn, `{}`, false, "rules"},
		{FactOwn, `{"group":"vip","hold":"7d"}`, false, "partner"},
		{FactOwn, `{"rules":[{"pay":{"fixed":1}}]}`, false, "currency"},
		{FactOwn, `{"holds":"7d"}`, false, "holds"},
		{"friend", "5", false, "kind"},
	} {
		f := Fact{Kind: row.kind, Value: row.value, Ends: row.ends}
		var got []string
		for _, bad := range f.Check(17, &d) {
			got = append(got, bad.Name)
		}
		if row.kind == FactOwn && notBuilt()["overrides"] {
			if i := slices.Index(got, "kind"); i >= 0 {
				got = slices.Delete(got, i, i+1)
			} else {
				t.Errorf("own rules, on which nothing acts, are taken: %s", row.value)
			}
		}
		if diff := cmp.Diff(row.wrong, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", row, diff)
		}
	}
}

func TestWhichTermsBindWhom(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	on := func(days int) time.Time { return began.Add(time.Duration(days) * day) }
	version := func(number, from, notice int, needs bool) Terms {
		return Terms{Version: number, EffectiveFrom: on(from), NoticeDays: notice, NeedsAcceptance: needs}
	}
	terms := []Terms{version(1, 0, 0, false), version(3, 10, 14, true), version(2, 20, 7, true), version(4, 40, 0, false)}
	for _, row := range []struct {
		name     string
		terms    []Terms
		accepted []int
		day      int
		version  int
		earns    bool
	}{
		{"before the first", terms, nil, -1, 0, true},
		{"the first, which nobody need accept", terms, nil, 0, 1, true},
		{"not accepted yet", terms, nil, 10, 1, true},
		{"accepted", terms, []int{3}, 10, 3, true},
		{"the last day of notice", terms, nil, 23, 1, true},
		{"after the notice", terms, nil, 24, 1, false},
		{"the one after was accepted, and that is not in force", terms, []int{2}, 19, 1, true},
		{"the one after was accepted, and is in force", terms, []int{2}, 30, 2, true},
		{"the notice of the one after", terms, []int{3}, 26, 3, true},
		{"after that notice, too", terms, []int{3}, 27, 3, false},
		{"a later one that nobody need accept", terms, nil, 40, 4, true},
		{"first terms that were not accepted", terms[1:2], nil, 11, 3, false},
		{"first terms that were accepted", terms[1:2], []int{3}, 11, 3, true},
	} {
		is, earns := InForceFor(row.terms, &Enrolment{Accepted: row.accepted}, on(row.day))
		got := 0
		if is != nil {
			got = is.Version
		}
		if got != row.version || earns != row.earns {
			t.Errorf("%s: version %d, earns %t", row.name, got, earns)
		}
	}
}

func TestTermsThatWaitForAcceptance(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	version := func(n, days int, needs bool) Terms {
		return Terms{Version: n, EffectiveFrom: at.AddDate(0, 0, days), NeedsAcceptance: needs, NoticeDays: 7}
	}
	for _, row := range []struct {
		name     string
		terms    []Terms
		accepted []int
		want     []int
	}{
		{"none needs it", []Terms{version(1, -9, false), version(2, 9, false)}, nil, nil},
		{"one to come", []Terms{version(1, -9, false), version(2, 9, true)}, nil, []int{2}},
		{"two, the first in force", []Terms{version(1, -20, false), version(2, -9, true), version(3, 9, true)}, nil, []int{2, 3}},
		{"the first accepted", []Terms{version(1, -20, false), version(2, -9, true), version(3, 9, true)}, []int{2}, []int{3}},
		{"later ones bind", []Terms{version(1, -20, false), version(2, -9, true), version(3, -1, false)}, nil, nil},
		{"later ones are to bind", []Terms{version(1, -20, false), version(2, -9, true), version(3, 9, false)}, nil, []int{2}},
		{"nothing ever bound", []Terms{version(1, -20, true)}, nil, []int{1}},
	} {
		var got []int
		for _, open := range Unaccepted(row.terms, row.accepted, at) {
			got = append(got, open.Version)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}
