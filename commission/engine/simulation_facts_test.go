package engine

import (
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/partners"
	"tributary/partners/program"
)

// simulatedTerms divide an order among the clicks on the way to it, bind customers for two months, pay more for new ones, and have
// periods that sums settle and one that needs its orders.
const simulatedTerms = `{"schema":1,"currency":"GBP","zone":"America/New_York","hold":"20d","extension":"10d","network_fee":200000,
	"attribution":{"model":"linear","touches":{"click":{"window":"30d"}},"bind":{"months":2}},
	"rules":[{"id":"any","pay":{"percent":100000}},{"id":"new","where":{"customer":"new"},"adds":true,"pay":{"fixed":250}}],
	"periods":[
		{"id":"volume","measure":"revenue","period":"month","tiers":[{"from":10000,"percent":20000},{"from":30000,"percent":40000}]},
		{"id":"cap","measure":"commission","period":"month","cap":1500},
		{"id":"past_two","measure":"count","period":"month","tiers":[{"from":2,"percent":50000}]}]}`

// cast is who takes part in a simulation: a merchant's program, and partners with a link each.
type cast struct {
	sold  *partners.Program
	sites []program.PartnerID
	links []program.LinkID // of the partner at the same place
	// customers is how many there are.
	customers int
}

// newCast has numbers that no database gave.
func newCast() cast {
	document, err := program.ParseDocument([]byte(simulatedTerms))
	if err != nil {
		panic(err)
	}
	v := program.Version{Number: 1, EffectiveFrom: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Document: document}
	v.Rules = v.LeastRules()
	return cast{
		sold:  &partners.Program{ID: 1, Merchant: 1, Currencies: []string{"GBP"}, Terms: []program.Terms{v.Terms()}},
		sites: []program.PartnerID{1, 2, 3}, links: []program.LinkID{1, 2, 3},
	}
}

func (c *cast) merchant() int64 { return int64(c.sold.Merchant) }

// evidence is what there is to know about an order beside its customer.
func (c *cast) evidence(o *commission.Order) (e commission.Evidence) {
	for _, v := range o.Visits() {
		found := commission.Candidate{Kind: v.TouchKind(), Click: verifyClick(v.ClickID), Marks: v.Marks}
		for i, link := range c.links {
			if link == found.Click.Link {
				found.Link = c.sold.LinkTerms(link, c.sites[i], program.Site, o.At)
			}
		}
		e.Candidates = append(e.Candidates, found)
	}
	return e
}

// belong adds whom the customer belongs to.
func (c *cast) belong(o *commission.Order, e *commission.Evidence) {
	found := commission.Candidate{Kind: commission.TouchCustomer, Code: o.Customer}
	switch b := e.Customer.Bound; {
	case b != nil:
		found.Link = c.sold.LinkTerms(b.Link, b.Partner, program.Site, o.At)
	case e.Customer.Ended:
		found.Refused = commission.BindEnded
	default:
		return
	}
	e.Candidates = append(e.Candidates, found)
}

func (c *cast) customer(id string) evidence.Customer {
	return evidence.Customer{Merchant: c.sold.Merchant, ID: id}
}

// tracker is where merchants report to: what it has spooled, lane by lane, and how much of that its relay has sent.
type tracker struct {
	spool   [16]byte
	spooled [lanes][]*event.Event
	sent    [lanes]int
}

// record is what the relay sends of a lane's n-th event.
func (tr *tracker) record(lane, n int) stream.Record {
	value, err := tr.spooled[lane][n].MarshalVT()
	if err != nil {
		panic(err)
	}
	return stream.Record{Partition: lane, Value: value, Spool: tr.spool, Seq: uint64(n + 1), Seal: stream.Genuine}
}

// report draws the lives of some orders, and spreads what is reported of them, in any order, over trackers.
func (c *cast) report(random *rand.Rand) []*tracker {
	trackers := make([]*tracker, 2)
	for i := range trackers {
		trackers[i] = &tracker{spool: [16]byte{byte(i + 1)}}
	}
	var all []*event.Event
	for n := range 6 + random.IntN(9) {
		all = append(all, c.life(random, fmt.Sprint("S", n))...)
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for n, e := range all {
		e.Id = idOf("simulated", n)
		to, lane := trackers[random.IntN(len(trackers))], event.Lane(e.Fact().Key(), lanes)
		to.spooled[lane] = append(to.spooled[lane], e)
	}
	return trackers
}

// life is what is reported of an order: a sale, mostly, at times once more, with more or with something else, and refunds.
func (c *cast) life(random *rand.Rand, id string) (all []*event.Event) {
	days := func(from, to int) time.Duration { return time.Duration(from+random.IntN(to-from)) * day }
	at := noon().Add(days(-35, 35))
	if random.IntN(4) == 0 {
		at = noon() // at one time with others
	}
	said := &event.Sale{MerchantId: c.merchant(), OrderId: id, Currency: "GBP"}
	for n := range 1 + random.IntN(2) {
		said.Lines = append(said.Lines, &event.Line{Number: int64(n + 1), Sku: fmt.Sprint("SKU-", n), Quantity: 2, Amount: random.Int64N(20_000), Category: "goods"})
	}
	for range random.IntN(3) {
		click := clickOn(c.links[random.IntN(len(c.links))], at.Add(-time.Duration(1+random.IntN(200))*time.Hour))
		said.Path = append(said.Path, &event.Touch{ClickId: click, Kind: uint32(event.PathClick)})
	}
	if random.IntN(5) > 0 {
		said.ClickId = clickOn(c.links[random.IntN(len(c.links))], at.Add(-time.Hour))
	}
	if n := random.IntN(1 + c.customers); n > 0 {
		said.CustomerId = fmt.Sprint("customer ", n)
	}
	report := func(late time.Duration, change func(*event.Sale)) {
		sale := proto.CloneOf(said)
		change(sale)
		e := &event.Event{OccurredAt: event.Micros(at), ReceivedAt: event.Micros(at.Add(late)), ApiKeyId: 1, Body: &event.Event_Sale{Sale: sale}}
		sale.ContentHash = event.SaleHash(sale, e.GetOccurredAt())
		all = append(all, e)
	}
	asIs := func(*event.Sale) {}
	if random.IntN(12) > 0 {
		report(days(0, 3), asIs)
	}
	switch random.IntN(6) {
	case 0:
		report(days(0, 3), asIs)
	case 1:
		report(time.Minute, func(s *event.Sale) { s.CustomerId = "" })
	case 2, 3:
		report(days(0, 3), func(s *event.Sale) { s.Lines[0].Amount++ })
		at = at.Add(time.Duration(random.IntN(3)) * day)
		report(days(0, 3), func(s *event.Sale) { s.CustomerId = "customer 1" })
	}
	for n := range random.IntN(3) {
		r := &event.Refund{MerchantId: c.merchant(), OrderId: id, RefundId: fmt.Sprint("r", n), WholeOrder: random.IntN(4) == 0}
		if !r.GetWholeOrder() {
			r.Items = []*event.RefundItem{{Line: 1 + random.Int64N(2), Amount: 1 + random.Int64N(9_000)}}
		}
		when := event.Micros(at.Add(days(-2, 45)))
		r.ContentHash = event.RefundHash(r, when)
		all = append(all, &event.Event{OccurredAt: when, ReceivedAt: when, Body: &event.Event_Refund{Refund: r}})
	}
	return all
}
