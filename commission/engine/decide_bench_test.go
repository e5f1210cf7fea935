package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/outbox"
	"tributary/partners"
	"tributary/partners/program"
)

// BenchmarkDecide is all that a new order of three lines costs an engine beside the database: its fold, the decision, what is posted
// and reported, and the rows. A split order has three clicks of as many partners.
func BenchmarkDecide(b *testing.B) {
	const rest = `"schema":1,"currency":"GBP","hold":"30d","network_fee":200000,"rules":[{"id":"any","pay":{"percent":100000}}]`
	for _, c := range []struct {
		name, terms string
		clicks      int
	}{
		{"percent", `{"schema":1,"hold":"30d","network_fee":200000,"attribution":{"touches":{"click":{"window":"30d"}}},"rules":[{"pay":{"percent":100000}}]}`, 1},
		{"tiers and caps", `{` + rest + `,"attribution":{"touches":{"click":{"window":"30d"}}},
			"periods":[{"id":"volume","measure":"revenue","period":"month","mode":"marginal","tiers":[{"from":100000,"percent":10000},{"from":10000000,"percent":20000}]},
			{"id":"most","measure":"commission","period":"month","cap":10000000}]}`, 1},
		{"three-way split", `{` + rest + `,"attribution":{"model":"position","touches":{"click":{"window":"30d"}}}}`, 3},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkDecide(b, c.terms, c.clicks) })
	}
}

func benchmarkDecide(b *testing.B, terms string, clicks int) {
	b.Helper()
	document, err := program.ParseDocument([]byte(terms))
	if err != nil {
		b.Fatal(err)
	}
	version := program.Version{Number: 1, EffectiveFrom: noon().Add(-100 * day), Rules: commission.Rules, Document: document}
	sold := &partners.Program{ID: 2, Merchant: 1, Currencies: []string{"GBP"}, Terms: []program.Terms{version.Terms()}}
	e := sale(1, "ORD-0000001", "", 1999, 4950, 12_000)
	e.GetSale().CustomerId = "customer-1"
	var candidates []commission.Candidate
	for n := range clicks {
		id := fmt.Sprintf("v1AQAAAAAAAAAHAZVTG8QAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhc%d", n)
		click := commission.Click{ID: id, Link: program.LinkID(n + 1), At: noon().Add(time.Duration(n-clicks) * time.Hour)}
		candidates = append(candidates, commission.Candidate{Kind: commission.TouchClick, Click: click, Link: sold.LinkTerms(click.Link, program.PartnerID(n+1), program.Site, noon())})
		if e.GetSale().ClickId = id; clicks > 1 {
			e.GetSale().Path = append(e.GetSale().Path, &event.Touch{ClickId: id, Kind: uint32(event.PathClick)})
		}
	}
	read := fact{event: e, order: orderKey{merchant: 1, id: "ORD-0000001"}, key: factKey{kind: e.Fact().Kind}}
	forms := commission.KnownForms()
	var buf rows
	var sequence int64
	var room telling
	b.ReportAllocs()
	for b.Loop() {
		o := &order{key: read.order, no: 1}
		o.take(&read)
		if err := o.read(forms); err != nil {
			b.Fatal(err)
		}
		o.evidence = commission.Evidence{Candidates: candidates}
		if err := o.decide(noon(), commission.Decide); err != nil {
			b.Fatal(err)
		}
		if len(o.paying) != clicks {
			b.Fatalf("%d commissions", len(o.paying))
		}
		buf.postings = o.appendPostings(buf.postings[:0])
		buf.record = forms.Append(buf.record[:0], &o.decided)
		out := outbox.Ledger().Pack(&pgx.Batch{}, 0, &sequence)
		for n := range o.reported {
			said, err := o.ledgerEvent(n, noon(), &room)
			if err == nil {
				err = out.Add(o.key.bytes(), said)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(buf.record)), "B/record")
	b.ReportMetric(float64(len(buf.postings)), "postings")
}
