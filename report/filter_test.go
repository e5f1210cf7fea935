package report

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/internal/fault"
)

// lists are the filters by name: each gives an address as it reads it.
func lists(now time.Time) map[string]func(url.Values) (url.Values, error) {
	return map[string]func(url.Values) (url.Values, error){
		"commissions": func(q url.Values) (url.Values, error) { f, err := ParseCommissions(q, now); return f.Query(), err },
		"orders":      func(q url.Values) (url.Values, error) { f, err := ParseOrders(q, now); return f.Query(), err },
		"late":        func(q url.Values) (url.Values, error) { f, err := ParseLate(q, now); return f.Query(), err },
		"enrolments":  func(q url.Values) (url.Values, error) { f, err := ParseEnrolments(q, now); return f.Query(), err },
		"conflicts":   func(q url.Values) (url.Values, error) { f, err := ParseConflicts(q, now); return f.Query(), err },
		"links":       func(q url.Values) (url.Values, error) { f, err := ParseLinks(q, now); return f.Query(), err },
		"partners":    func(q url.Values) (url.Values, error) { f, err := ParsePartners(q, now); return f.Query(), err },
		"merchants":   func(q url.Values) (url.Values, error) { f, err := ParseMerchants(q, now); return f.Query(), err },
		"period":      func(q url.Values) (url.Values, error) { p, err := ParsePeriod(q, now); return p.Query(), err },
	}
}

// What cannot be is refused with the name of the field; absent and empty narrow nothing, and zero is neither.
func TestFiltersRefuseWhatCannotBe(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 15, 4, 5, 0, time.UTC)
	for _, tc := range []struct{ list, query, field string }{ // no field: the filter is taken
		{"commissions", "", ""},
		{"commissions", "state=&program=&link=&currency=&q=&from=&to=&sort=&after=", ""},
		{"commissions", "state=pending&program=7&currency=EUR&q=A-1&from=2026-01-01&to=2026-01-01&sort=oldest", ""},
		{"commissions", "state=frozen", "state"},
		{"commissions", "state=Pending", "state"},
		{"commissions", "program=0", "program"},
		{"commissions", "program=-1", "program"},
		{"commissions", "program=%2B1", "program"},
		{"commissions", "program=007", "program"},
		{"commissions", "program=1.5", "program"},
		{"commissions", "link=9223372036854775808", "link"},
		{"commissions", "currency=eur", "currency"},
		{"commissions", "currency=XXZ", "currency"},
		{"commissions", "sort=smallest", "sort"},
		{"commissions", "after=nonsense", ""}, // the read refuses it: TestCursorsBelongToTheirList
		{"commissions", "from=2026-02-30", "from"},
		{"commissions", "from=26-02-01", "from"},
		{"commissions", "to=1969-12-31", "to"},
		{"commissions", "to=2300-01-01", "to"},
		{"commissions", "from=2026-02-02&to=2026-02-01", "to"},
		{"commissions", "q=" + strings.Repeat("x", 129), "q"},
		{"commissions", "q=%ff", "q"},
		{"commissions", "q=%00", "q"},
		{"commissions", "partner=7", "partner"},
		{"commissions", "State=pending", "State"},
		{"orders", "outcome=no_click&oddity=late&partner=3&key=4", ""},
		{"orders", "outcome=nothing", "outcome"},
		{"orders", "oddity=odd", "oddity"},
		{"orders", "partner=all", "partner"},
		{"orders", "key=0", "key"},
		{"orders", "days=7", "days"},
		{"late", "merchant=0", "merchant"},
		{"enrolments", "q=blog&state=removed:fraud", ""},
		{"enrolments", "state=gone", "state"},
		{"conflicts", "state=pending", "state"},
		{"links", "state=open&days=90", ""},
		{"links", "state=half", "state"},
		{"links", "days=0", "days"},
		{"partners", "kind=site&sort=clicks", ""},
		{"partners", "kind=staff", "kind"},
		{"partners", "sort=money", "sort"},
		{"merchants", "q=kestrel", ""},
		{"period", "days=7", ""},
		{"period", "from=2026-01-01&to=2026-01-31", ""},
		{"period", "days=", ""},
		{"period", "days=8", "days"},
		{"period", "days=07", "days"},
		{"period", "days=7&from=2026-01-01&to=2026-01-31", "days"},
		{"period", "from=2026-01-01", "to"},
		{"period", "to=2026-01-31", "from"},
		{"period", "from=2026-02-01&to=2026-01-31", "to"},
		{"period", "from=nonsense&to=2026-01-31", "from"},
		{"period", "from=2025-01-01&to=2026-01-01", ""}, // 366 days
		{"period", "from=2025-01-01&to=2026-01-02", "from"},
		{"period", "from=2027-03-01&to=2027-03-03", "to"},
	} {
		q, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = lists(now)[tc.list](q)
		f, refused := errors.AsType[*fault.Error](err)
		switch {
		case tc.field == "" && err != nil:
			t.Errorf("%s?%s: %v", tc.list, tc.query, err)
		case tc.field != "" && (!refused || f.Kind != fault.Invalid || f.Code != FilterCode || f.Fields[0].Name != tc.field || f.Fields[0].Fix == ""):
			t.Errorf("%s?%s: %v, want a refusal of %s", tc.list, tc.query, err, tc.field)
		}
	}
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 15, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		query    string
		from, to string // to is the first day after
		preset   int
	}{
		{"", "2026-01-31", "2026-03-02", 30},
		{"days=7", "2026-02-23", "2026-03-02", 7},
		{"from=2026-01-01&to=2026-01-31", "2026-01-01", "2026-02-01", 0},
	} {
		q, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePeriod(q, now)
		if err != nil || p.From.Format(time.DateOnly) != tc.from || p.To.Format(time.DateOnly) != tc.to || p.Preset != tc.preset {
			t.Errorf("%q: %s to %s, preset %d: %v", tc.query, p.From, p.To, p.Preset, err)
		}
		if again, err := ParsePeriod(p.Query(), now); again != p {
			t.Errorf("%q: %+v reads back as %+v: %v", tc.query, p, again, err)
		}
		if b := p.Before(); b.Days() != p.Days() || !b.To.Equal(p.From) {
			t.Errorf("%q: the period before is %s to %s", tc.query, b.From, b.To)
		}
	}
}

// Whole days of any zone: those of a change of clocks have 23 or 25 hours, and some begin at one o'clock.
func TestAnyPeriodHasItsDays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Australia/Lord_Howe"}).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(1e9, 4e9).Draw(t, "now"), 0).In(zone)
		from := now.AddDate(0, 0, -rapid.IntRange(0, 365).Draw(t, "days"))
		q := url.Values{"from": {from.Format(time.DateOnly)}, "to": {now.Format(time.DateOnly)}}
		p, err := ParsePeriod(q, now)
		if err != nil {
			t.Fatal(err)
		}
		n := p.Days()
		if n < 1 || n > maxDays || len(along(p, nil)) != n {
			t.Fatalf("%d days", n)
		}
		for i := range n {
			begin, end := p.Day(i), p.Day(i+1)
			if !begin.Before(end) || civil(begin) != civil(p.From)+i {
				t.Fatalf("day %d is %s to %s", i, begin, end)
			}
		}
		if p.Before().Days() != n {
			t.Fatalf("%d days before %d", p.Before().Days(), n)
		}
	})
}

// A cursor opens the list and the filter that it was made by, and nothing else.
func TestCursorsBelongToTheirList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := key{
			At: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "at")).UTC(), Text: rapid.StringMatching(`[A-Z]{0,3}`).Draw(t, "text"),
			A: rapid.Int64().Draw(t, "a"), B: rapid.Int64().Draw(t, "b"), ID: rapid.Int64().Draw(t, "id"),
		}
		of := list{"orders", url.Values{"q": {"x"}, "after": {"earlier"}}}
		text, err := of.cursor(k)
		if err != nil {
			t.Fatal(err)
		}
		if got, begun, err := (list{"orders", url.Values{"q": {"x"}, "after": {text}}}).after(text); err != nil || !begun || got != k {
			t.Fatalf("%+v became %+v: %v", k, got, err)
		}
		altered := []byte(text)
		i := rapid.IntRange(0, len(altered)-1).Draw(t, "place")
		altered[i] = map[bool]byte{true: 'B', false: 'A'}[altered[i] == 'A']
		for name, refused := range map[string]struct {
			list
			text string
		}{
			"another list":   {list{"late", of.filter}, text},
			"another filter": {list{"orders", url.Values{"q": {"y"}}}, text},
			"altered":        {of, string(altered)},
			"cut":            {of, text[:len(text)-1]},
			"nonsense":       {of, "%00"},
		} {
			if _, _, err := refused.after(refused.text); fault.Of(err).Code != FilterCode {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got, begun, err := of.after(""); err != nil || begun || got != (key{}) {
			t.Fatalf("the first page: %+v, %v", got, err)
		}
	})
}

// FuzzFilters: whatever an address holds, it is read without a panic, and what was taken reads back the same.
func FuzzFilters(f *testing.F) {
	for _, seed := range []string{"state=pending&from=2026-01-01", "q=%00%ff&after=e30", "after=eyJ0IjoiOTk5OTktMDEtMDFUMDA6MDA6MDBaIn0", "program=-1&sort=largest", "days=7&to=2026-02-30", "outcome=no_click&oddity=conflict"} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 15, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			t.Skip()
		}
		for name, parse := range lists(now) {
			first, err := parse(q)
			if err != nil {
				continue
			}
			if second, err := parse(first); err != nil || first.Encode() != second.Encode() {
				t.Errorf("%s: %q reads as %q, and that as %q: %v", name, raw, first.Encode(), second.Encode(), err)
			}
		}
	})
}
