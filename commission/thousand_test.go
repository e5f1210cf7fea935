package commission

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// thousandTerms are two versions of terms, each as the document that a database from before documents is given for it.
func thousandTerms(t *testing.T) []program.Terms {
	t.Helper()
	june := noon().Add(-20 * day)
	var terms []program.Terms
	for i, text := range []string{
		`{"hold": "30d", "rules": [{"pay": {"percent": 50000}, "where": {"category": "books", "partner_kind": "member"}},
			{"pay": {"percent": 72500}, "where": {"category": "books", "partner_kind": "site"}}, {"pay": {"percent": 0}, "where": {"category": "gift cards", "partner_kind": "site"}},
			{"pay": {"percent": 33333}, "where": {"partner_kind": "site"}}], "schema": 1, "attribution": {"touches": {"click": {"window": "30d"}}}, "network_fee": 200000}`,
		`{"hold": "36h", "rules": [{"pay": {"percent": 60000}, "where": {"partner_kind": "member"}}, {"pay": {"percent": 100001}, "where": {"category": "tea", "partner_kind": "site"}}],
			"schema": 1, "attribution": {"touches": {"click": {"window": "7d"}}}, "network_fee": 333333}`,
	} {
		document, err := program.ParseDocument([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		v := program.Version{Number: i + 1, EffectiveFrom: june.Add(time.Duration(i) * 15 * day), Rules: 1, Document: document}
		terms = append(terms, v.Terms())
	}
	return terms
}

// anOrder draws the facts of an order and its click: sales of several categories, refunded or not, late or imported.
func anOrder(r *rand.Rand) ([]*event.Event, Click) {
	categories := []string{"books", "gift cards", "tea", "café", ""}
	var lines []*event.Line
	for n := range 1 + r.Int64N(4) {
		lines = append(lines, goods(n+1, fmt.Sprintf("S%d", r.IntN(3)), categories[r.IntN(len(categories))], 1+r.Int64N(3), r.Int64N(20_000)))
	}
	sale := sold(lines...)
	placed := -time.Duration(r.IntN(24)) * day
	sale.OccurredAt += placed.Microseconds()
	sale.ReceivedAt = sale.GetOccurredAt() + []int64{0, time.Minute.Microseconds(), 3 * day.Microseconds()}[r.IntN(3)]
	sale.Imported = r.IntN(10) == 0
	events := []*event.Event{sale}
	for n := range r.IntN(3) {
		after := placed + time.Duration(1+r.IntN(40))*day
		refund := refunded(fmt.Sprintf("R%d", n), after, 1+r.Int64N(9_000))
		switch r.IntN(4) {
		case 0:
			refund = refunded(fmt.Sprintf("R%d", n), after, 0)
		case 1:
			refund = refunded(fmt.Sprintf("R%d", n), after, 0, piecesOf(1+r.Int64N(4), 1), amountOf(1, 99))
		}
		events = append(events, refund)
	}
	click := clicked(time.Duration(r.IntN(12*24))*time.Hour - placed)
	if r.IntN(20) == 0 {
		click = Click{ID: "click", Refused: ForgedClickID}
	}
	return events, click
}

// TestAThousandRecordsAreWrittenAsEver holds testdata/records/thousand.jsonl.gz, written when terms were rows of rates: each
// record is written again as it was read, and the same facts under the same terms, as documents, give the same bytes.
func TestAThousandRecordsAreWrittenAsEver(t *testing.T) {
	t.Parallel()
	terms := thousandTerms(t)
	stored, err := os.ReadFile(filepath.Join("testdata", "records", "thousand.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(stored))
	if err != nil {
		t.Fatal(err)
	}
	credited, form := 0, KnownForms()[0]
	r := rand.New(rand.NewPCG(3, 1000))
	lines := bufio.NewScanner(unzipped)
	for n := range 1000 {
		if !lines.Scan() {
			t.Fatalf("%d records: %v", n, lines.Err())
		}
		read, err := form.Read(lines.Bytes())
		if err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		if again := form.Append(nil, &read); !bytes.Equal(again, lines.Bytes()) {
			t.Errorf("record %d is written as\n%s\nnot as it was read\n%s", n, again, lines.Bytes())
		}
		events, click := anOrder(r)
		order := mustFold(t, events...)
		found := linkTerms(order.At, terms...)
		if r.IntN(3) == 0 {
			found.Kind = program.Member
		}
		decided := decide(order, click, found)
		if again := form.Append(nil, &decided); !bytes.Equal(again, lines.Bytes()) {
			t.Errorf("order %d is recorded as\n%s\nnot as it was\n%s", n, again, lines.Bytes())
		}
		credited += len(decided.Credits)
	}
	if more := lines.Scan(); more || credited < 400 || credited > 900 {
		t.Errorf("%d of 1000 records are of orders that earned, and there are more: %t", credited, more)
	}
}
