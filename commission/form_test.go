package commission

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// corpus names decisions of every shape that a record can have.
func corpus(t *testing.T) map[string]Decision {
	t.Helper()
	two := linkTerms(noon(), program.Terms{NetworkFee: 200_000, Rates: rates(map[string]money.Rate{"books": 72_500, "*": 100_000, "gift cards": 0})})
	three := []*event.Line{goods(1, "A", "books", 1, 1_999), goods(2, "B", "gift cards", 2, 5_000), goods(3, "", "", 3, 1_001)}
	sale := func(change func(*event.Event, *event.Sale)) *event.Event {
		e := sold(three...)
		if change != nil {
			change(e, e.GetSale())
		}
		return e
	}
	refused := func(reason Reason) Decision {
		return decide(mustFold(t, sale(nil)), Click{ID: "click", Refused: reason}, program.LinkTerms{})
	}
	foreign := two
	foreign.Merchant = 9
	untermed := two
	untermed.Terms = nil
	all := map[string]Decision{
		"credited":            decide(mustFold(t, sale(nil)), clicked(time.Hour), two),
		"at the window's end": decide(mustFold(t, sale(nil)), clicked(30*day), two),
		"outside the window":  decide(mustFold(t, sale(nil)), clicked(30*day+time.Millisecond), two),
		"click after order":   decide(mustFold(t, sale(nil)), clicked(-6*time.Minute), two),
		"malformed click id":  refused(MalformedClickID),
		"unknown click key":   refused(UnknownClickKey),
		"forged click id":     refused(ForgedClickID),
		"unknown link":        decide(mustFold(t, sale(nil)), clicked(time.Hour), program.LinkTerms{}),
		"another merchant's":  decide(mustFold(t, sale(nil)), clicked(time.Hour), foreign),
		"no terms":            decide(mustFold(t, sale(nil)), clicked(time.Hour), untermed),
		"another currency":    decide(mustFold(t, sale(func(_ *event.Event, s *event.Sale) { s.Currency = "JPY" })), clicked(time.Hour), two),
		"no click":            decide(mustFold(t, sale(func(_ *event.Event, s *event.Sale) { s.ClickId, s.Coupon, s.CustomerId = "", "SPRING", "17850" })), Click{}, program.LinkTerms{}),
		"awaiting sale":       decide(mustFold(t, refunded("R", day, 500)), Click{}, program.LinkTerms{}),
		"nothing sold":        decide(mustFold(t, sold(goods(1, "", "", 1, 0))), clicked(time.Hour), two),
		"imported": decide(mustFold(t, sale(func(e *event.Event, _ *event.Sale) {
			e.Imported, e.ReceivedAt = true, e.GetReceivedAt()+90*day.Microseconds()
		})), clicked(time.Hour), two),
		"late": decide(mustFold(t, sale(func(e *event.Event, _ *event.Sale) { e.ReceivedAt += 3 * day.Microseconds() })), clicked(time.Hour), two),
		"texts": decide(mustFold(t, sale(func(_ *event.Event, s *event.Sale) {
			s.OrderId, s.Coupon, s.CustomerId = "\"<&>\\\x01\u2028日本", "ÄÖ", "a@b.example"
		})), clicked(time.Hour), two),
	}
	for name, refunds := range map[string][]*event.Event{
		"refunded in part":       {refunded("R", day, 0, piecesOf(3, 1), amountOf(1, 99))},
		"refunded whole":         {refunded("R", day, 0)},
		"refunded by amount":     {refunded("R", day, 777)},
		"refunded after release": {refunded("R", 40*day, 0, wholeLine(1)), refunded("S", 41*day, 100)},
		"refunded too much":      {refunded("R", day, 99_999), refunded("S", 2*day, 0, piecesOf(9, 1), piecesOf(2, 5))},
	} {
		all[name] = decide(mustFold(t, append([]*event.Event{sale(nil)}, refunds...)...), clicked(time.Hour), two)
	}
	wrong := refunded("R", day, 100)
	wrong.GetRefund().Currency = "EUR"
	for name, d := range map[string]Decision{
		"shared by three":     decide(mustFold(t, sale(nil), refunded("R", day, 0, piecesOf(3, 1)), refunded("S", 40*day, 500)), clicked(time.Hour), two),
		"shared and reversed": decide(mustFold(t, sale(nil), refunded("R", day, 0)), clicked(time.Hour), two),
	} {
		all[name] = shared(t, d, 50, 30, 20)
	}
	all["refunded in another currency"] = decide(mustFold(t, sale(nil), wrong), clicked(time.Hour), two)
	fullCorpus(t, all)
	return all
}

// bookings is what a decision moves, before and after the release, in lines for people.
func bookings(d *Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "outcome %s\n", d.Outcome)
	for _, released := range []bool{false, true} {
		fmt.Fprintf(&b, "released %t\n", released)
		for _, m := range d.Movements(until(released)) {
			fmt.Fprintf(&b, "%s %s: %d %s from %s to %s, merchant %d, partner %d\n", m.At.Format(time.RFC3339Nano), m.Cause,
				m.Amount, m.Unit, m.Credit, m.Debit, m.Merchant, m.Partner)
		}
	}
	return b.String()
}

// TestRecordsOfEveryFormStayReadable holds the records in testdata/records, one folder a form: each is read, moves the
// money that it moved when it was written, and is written byte for byte where its form is the present one. A form is added
// to by TRIBUTARY_WRITE_RECORDS=1 for the present form; what is there is never written again.
func TestRecordsOfEveryFormStayReadable(t *testing.T) {
	t.Parallel()
	forms := KnownForms()
	if os.Getenv("TRIBUTARY_WRITE_RECORDS") != "" {
		writeCorpus(t, forms)
	}
	for _, form := range forms {
		dir := filepath.Join("testdata", "records", fmt.Sprintf("form-%d", form.Number))
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || form.Number == forms.Current() && len(files) < len(corpus(t)) || len(files) == 0 {
			t.Fatalf("%s holds %d records: %v", dir, len(files), err)
		}
		for _, file := range files {
			record, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			record = bytes.TrimSuffix(record, []byte("\n"))
			want, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if number, err := FormOf(record); err != nil || number != form.Number {
				t.Errorf("%s is of form %d: %v", file, number, err)
			}
			d, err := forms.Read(record)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if diff := cmp.Diff(string(want), bookings(&d)); diff != "" {
				t.Errorf("%s moves other money (-then +now):\n%s", file, diff)
			}
			if again := forms.Append(nil, &d); form.Number == forms.Current() && !bytes.Equal(again, record) {
				t.Errorf("%s is written as %s", file, again)
			}
		}
	}
}

func writeCorpus(t *testing.T, forms Forms) {
	t.Helper()
	dir := filepath.Join("testdata", "records", fmt.Sprintf("form-%d", forms.Current()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, d := range corpus(t) {
		file := filepath.Join(dir, fileOf(name))
		if _, err := os.Stat(file + ".json"); err == nil {
			continue
		}
		if err := os.WriteFile(file+".json", append(forms.Append(nil, &d), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+".txt", []byte(bookings(&d)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// withNext are the known forms and one more, which says something else besides.
func withNext() Forms {
	known := KnownForms()
	last := known[len(known)-1]
	number := last.Number + 1
	return append(known, Form{
		Number: number,
		Append: func(dst []byte, d *Decision) []byte {
			record := last.Append(nil, d)
			record = bytes.TrimPrefix(record, fmt.Appendf(nil, `{"form":%d,`, last.Number))
			return append(fmt.Appendf(dst, `{"form":%d,"more":"said",`, number), bytes.TrimPrefix(record, []byte("{"))...)
		},
		Read: last.Read,
	})
}

func TestTermsThatCannotBeReadDecideNothing(t *testing.T) {
	t.Parallel()
	order, unknown := mustFold(t, sold(goods(1, "", "", 1, 1_000))), errors.New("it says more")
	for _, row := range []struct {
		name  string
		terms program.Terms
		newer int // the number that is not known; 0 where all are
	}{
		{"later rules", program.Terms{Rules: Rules + 1, Schema: program.Schema}, Rules + 1},
		{"later rules that say more", program.Terms{Rules: Rules + 1, Schema: program.Schema, Unreadable: unknown}, Rules + 1},
		{"a later schema", program.Terms{Rules: Rules, Schema: program.Schema + 1, Unreadable: unknown}, program.Schema + 1},
		{"known numbers", program.Terms{Rules: Rules, Schema: program.Schema, Unreadable: unknown}, 0},
	} {
		found := linkTerms(noon(), row.terms)
		_, err := Decide(order, Evidence{Candidates: []Candidate{{Kind: TouchClick, Click: clicked(time.Hour), Link: found}}})
		newer, isNewer := errors.AsType[*NewerError](err)
		broken, isBroken := errors.AsType[*TermsError](err)
		switch {
		case row.newer > 0 && (!isNewer || newer.Number != row.newer):
			t.Errorf("%s: %v", row.name, err)
		case row.newer == 0 && (!isBroken || broken.Program != 2 || broken.Version != 1 || !errors.Is(err, unknown)):
			t.Errorf("%s: %v", row.name, err)
		}
		found.Merchant = 9
		if d, err := Decide(order, Evidence{Candidates: []Candidate{{Kind: TouchClick, Click: clicked(time.Hour), Link: found}}}); err != nil || d.Outcome != LinkOfAnotherMerchant {
			t.Errorf("%s, of another merchant: %s, %v", row.name, d.Outcome, err)
		}
	}
}

func TestARecordIsReadByItsForm(t *testing.T) {
	t.Parallel()
	known, next := KnownForms(), withNext()
	for name, d := range corpus(t) {
		old, recent := known.Append(nil, &d), next.Append(nil, &d)
		var newer *NewerError
		if _, err := known.Read(recent); !errors.As(err, &newer) || newer.Number != next.Current() || newer.Known != known.Current() {
			t.Errorf("%s: this version reads a later one's record: %v", name, err)
		}
		was, err := next.Read(old)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		is, err := next.Read(recent)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c := Contradictions(&was, &is); len(c) > 0 {
			t.Errorf("%s: one decision in two forms contradicts itself: %v", name, c)
		}
	}
	for _, text := range []string{`{"form":`, `{"form":}`, `{"form":1,"outcome":"no_click"}`, `{"form":two}`, `{"form":-2}`, `{"form":"2"}`, `{"form":99999999999999999999}`} {
		if number, err := FormOf([]byte(text)); err == nil {
			t.Errorf("%s is of form %d", text, number)
		}
	}
}

func TestWhatContradictsARecord(t *testing.T) {
	t.Parallel()
	decided := corpus(t)["refunded in part"]
	for _, c := range []struct {
		name   string
		change func(d *Decision)
		want   string
	}{
		{"the outcome", func(d *Decision) { d.Outcome = NoClick }, "outcome"},
		{"nobody earns", func(d *Decision) { d.Credits = nil }, "number of credits"},
		{"another partner", func(d *Decision) { d.Credits[0].Partner++ }, "partner"},
		{"a rate", func(d *Decision) { d.Credits[0].Rules[0].Rate++ }, `rate of rule "books" of partner 3`},
		{"a rule's net", func(d *Decision) { d.Credits[0].Rules[0].Net-- }, `net of rule "books" of partner 3`},
		{"a line's net", func(d *Decision) { d.Credits[0].Priced[0].Net-- }, `net of line 1, rule "books", of partner 3`},
		{"a line's rule", func(d *Decision) { d.Credits[0].Priced[0].Rule = 2 }, `rule of line 1, rule "books", of partner 3`},
		{"the fee", func(d *Decision) { d.Credits[0].Fee++ }, "fee of partner 3"},
		{"the hold", func(d *Decision) { d.Credits[0].HoldUntil = d.Credits[0].HoldUntil.Add(time.Second) }, "end of the hold of partner 3"},
		{"the unit", func(d *Decision) { d.Credits[0].Unit = "EUR" }, "unit of partner 3"},
		{"when a refund counts", func(d *Decision) { d.Order.Refunds[0].Effective = d.Order.Refunds[0].Effective.Add(time.Second) }, "movement in GBP from partner_pending"},
	} {
		recorded, err := KnownForms().Read(KnownForms().Append(nil, &decided))
		if err != nil {
			t.Fatal(err)
		}
		if found := Contradictions(&recorded, &decided); len(found) > 0 {
			t.Fatalf("a record contradicts its own decision: %v", found)
		}
		c.change(&recorded)
		found := Contradictions(&recorded, &decided)
		if len(found) == 0 || !strings.HasPrefix(found[0].What, c.want) && !strings.Contains(fmt.Sprint(found), c.want) {
			t.Errorf("%s: found %v, want %s", c.name, found, c.want)
		}
	}
}
