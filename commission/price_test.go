package commission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// sale is an order of these tests: what happened, and what is known of the partner and the customer.
type sale struct {
	events   []*event.Event
	kind     program.Kind
	partner  program.PartnerID
	enrolled program.Enrolment
	customer View
	rates    []Rate
	reviews  []Review
	disputes []Dispute
}

// of is an order of lines that came by partner 3, a site.
func of(lines ...*event.Line) sale {
	e := sold(lines...)
	e.GetSale().Currency = "USD"
	return sale{events: []*event.Event{e}, kind: program.Site, partner: 3}
}

// order is an order of one line of one piece.
func order(amount int64) sale { return of(goods(1, "X", "any", 1, amount)) }

// back takes all of the refunds' amounts back, one each day.
func (s sale) back(refunds ...*event.Event) sale {
	s.events = slices.Concat(s.events, refunds)
	return s
}

// with changes what was sold.
func (s sale) with(change func(s *event.Sale)) sale {
	change(s.events[0].GetSale())
	return s
}

func (s sale) by(kind program.Kind, partner program.PartnerID) sale {
	s.kind, s.partner = kind, partner
	return s
}

func (s sale) as(e program.Enrolment) sale {
	s.enrolled = e
	return s
}

// is says whether the customer is new, 1, or not, 2.
func (s sale) is(nth int) sale {
	s.events[0].GetSale().CustomerId = "c-77"
	s.customer.Nth = nth
	return s
}

// bound says for how many months the customer has been the partner's.
func (s sale) bound(months int) sale {
	s.customer.Bound = &Binding{Program: 2, Partner: s.partner, Since: addMonths(noon(), -months)}
	return s
}

// document is what terms with the given parts are: 30 days for a click, no hold, in dollars and without a fee where no part says
// otherwise.
func document(t rapid.TB, parts ...string) program.Document {
	t.Helper()
	parts = append([]string{`"schema":1`, `"attribution":{"touches":{"click":{"window":"30d"}}}`}, parts...)
	text := strings.Join(parts, ",")
	if !slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, `"hold":`) }) {
		text += `,"hold":"0d"`
	}
	if !strings.Contains(text, `"currency":`) {
		text += `,"currency":"USD"`
	}
	if !strings.Contains(text, `"network_fee":`) {
		text += `,"network_fee":0`
	}
	d, err := program.ParseDocument([]byte("{" + text + "}"))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

// underTerms is the link by which a partner is paid by a document.
func underTerms(d program.Document, s *sale) program.LinkTerms {
	v := program.Version{Number: 1, EffectiveFrom: noon().AddDate(-1, 0, 0), Rules: Rules, Document: d}
	terms := v.Terms()
	return program.LinkTerms{
		Link: 7, Merchant: 1, Program: 2, Partner: s.partner, Kind: s.kind, Currencies: []string{"EUR", "GBP", "JPY", "USD"},
		Terms: terms.Whole(), Enrolment: s.enrolled,
	}
}

// decideBy decides the order by a document, and holds that its record reads back as the decision, with the same movements.
func decideBy(t rapid.TB, d program.Document, s sale) Decision {
	t.Helper()
	return decideShared(t, s.folded(t), s, []winner{{}}, underTerms(d, &s))
}

// folded is the order of what happened.
func (s sale) folded(t rapid.TB) Order {
	t.Helper()
	o, err := Fold(s.events, Said{Reviews: s.reviews, Disputes: s.disputes})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// decideShared prices the order as candidates win it that are given with their weights.
func decideShared(t rapid.TB, o Order, s sale, winners []winner, found ...program.LinkTerms) Decision {
	t.Helper()
	e := Evidence{Customer: s.customer, Rates: s.rates}
	for i := range found {
		e.Candidates = append(e.Candidates, Candidate{Kind: TouchClick, Link: found[i]})
	}
	decision := Decision{Order: o, Outcome: Credited}
	if o.Customer != "" {
		decision.Touches = []Touch{{Kind: TouchCustomer, ID: o.Customer, Reason: CustomerNotCredited}}
	}
	decision.credit(winners, &e)
	decision.review()
	if err := decision.Share(); err != nil {
		t.Fatal(err)
	}
	holdsItsRecord(t, &decision)
	return decision
}

// holdsItsRecord holds that a record is what the library writes, reads back as the decision and moves the same money.
func holdsItsRecord(t rapid.TB, d *Decision) {
	t.Helper()
	record := d.AppendJSON(nil)
	read, err := UnmarshalRecord(record)
	if err != nil {
		t.Fatalf("reading %s: %v", record, err)
	}
	if again := read.AppendJSON(nil); string(again) != string(record) {
		t.Errorf("the record\n%s\nis read as\n%s", record, again)
	}
	if got := string(d.Order.appendJSON(nil)); got != asJSON(t, d.Order) {
		t.Errorf("the order is written as\n%.2000s, by the library as\n%.2000s", got, asJSON(t, d.Order))
	}
	for i := range d.Credits {
		c := d.Credits[i]
		if c.Unit == d.Order.Currency {
			c.Unit = ""
		}
		if got := string(d.Credits[i].appendJSON(nil, d.Order.Currency, nil)); got != asJSON(t, c) {
			t.Errorf("a credit is written as\n%.2000s, by the library as\n%.2000s", got, asJSON(t, c))
		}
	}
	if found := Contradictions(&read, d); len(found) > 0 {
		t.Errorf("its own record contradicts a decision: %v", found)
	}
	for _, until := range d.holds() {
		if !slices.Equal(d.Movements(until), read.Movements(until)) {
			t.Errorf("a decision moves %v, its record %v", d.Movements(until), read.Movements(until))
		}
	}
	if n := len(d.Credits); n > 0 {
		last := d.timeline(&scratch{})
		for i := range d.Credits {
			if p := last.of(len(last.at)-1, i, n); p.net != d.Credits[i].Net || p.fee != d.Credits[i].Fee {
				t.Errorf("credit %d ends as %+v, but has %d and %d", i, p, d.Credits[i].Net, d.Credits[i].Fee)
			}
			if p := last.of(0, i, n); p.net != d.Credits[i].Gross {
				t.Errorf("credit %d begins with %+v, but has %d", i, p, d.Credits[i].Gross)
			}
		}
	}
}

// asJSON is what the library writes.
func asJSON(t rapid.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// percent is a rule for all lines.
func percent(rate int) string {
	return fmt.Sprintf(`"rules":[{"id":"any","pay":{"percent":%d}}]`, rate)
}

func TestWhatAnOrderIsWorth(t *testing.T) {
	t.Parallel()
	goldAndReturning := `"rules":[{"id":"gold","where":{"category":"gold"},"pay":{"percent":400000}},
		{"id":"again","where":{"category":"gold","customer":"returning"},"pay":{"percent":50000}}]`
	scopes := `"rules":[{"id":"any","pay":{"percent":100000}}],"overrides":[{"group":"vip","rules":[{"id":"vip","pay":{"percent":120000}}]},
		{"partner":17,"rules":[{"id":"own","pay":{"percent":30000}}]}]`
	equallyClose := `"rules":[{"id":"rate","where":{"goal":"sale"},"pay":{"percent":400000}},{"id":"fixed","where":{"device":"mobile"},"pay":{"fixed":500}}]`
	twoParts := `"rules":[{"id":"both","pay":{"percent":100000,"fixed":200}}]`
	atLeast50 := `"rules":[{"id":"big","where":{"order_amount":{"min":5000}},"pay":{"fixed":1000}}]`
	newOnTop := `"rules":[{"id":"any","pay":{"percent":100000}},{"id":"new","where":{"customer":"new"},"adds":true,"pay":{"fixed":500}}]`
	millePlus := `"rules":[{"pay":{"percent":100000,"fixed":250,"per":"mille"}}]`
	mobile := func(s *event.Sale) { s.Device = "mobile" }
	delivered := func(s *event.Sale) { s.Lines[0].Tax, s.Shipping, s.ShippingTax = 200, 500, 50 }
	pieces := func(n int64) sale { return of(goods(1, "X", "any", n, 100*n)) }
	for _, row := range []struct {
		name     string
		document string
		sale     sale
		want     int64
	}{
		{"1: 20 % of 3", percent(200_000), order(3), 1},
		{"1: 10 % of 15", percent(100_000), order(15), 2},
		{"1: 50 % of 1", percent(500_000), order(1), 1},
		{"1: 2.9 % of 500", percent(29_000), order(500), 15},
		{"1: 20 % of 7", percent(200_000), order(7), 1},
		{"1: 20 % of 2", percent(200_000), order(2), 0},
		{"1: 20 % of five pieces", percent(200_000), of(goods(1, "X", "", 5, 1_000)), 200},
		{"1: 5.00 for each of two pieces", `"rules":[{"pay":{"fixed":500,"per":"piece"}}]`, pieces(2), 1_000},
		{"2: gold and the rest", `"rules":[{"where":{"sku":"prod_gold"},"pay":{"percent":400000}},{"pay":{"percent":100000}}]`, of(goods(1, "prod_gold", "", 1, 10_000), goods(2, "addon", "", 1, 5_000)), 4_500},
		{"6: the partner's own", `"rules":[{"pay":{"fixed":200}}],"overrides":[{"partner":17,"rules":[{"pay":{"fixed":300}}]}]`, order(1_000).by(program.Site, 17), 300},
		{"6: another partner", `"rules":[{"pay":{"fixed":200}}],"overrides":[{"partner":17,"rules":[{"pay":{"fixed":300}}]}]`, order(1_000), 200},
		{"8: with tax, delivery and its tax", `"base":{"tax":true,"shipping":true,"shipping_tax":true},` + percent(200_000), order(2_000).with(delivered), 550},
		{"8: without the tax on delivery", `"base":{"tax":true,"shipping":true},` + percent(200_000), order(2_000).with(delivered), 540},
		{"8: with delivery", `"base":{"shipping":true},` + percent(200_000), order(1_500).with(func(s *event.Sale) { s.Shipping = 1_000 }), 500},
		{"8: without", percent(200_000), order(1_500).with(func(s *event.Sale) { s.Shipping = 1_000 }), 300},
		{"8: 50.00 without", percent(200_000), order(5_000).with(func(s *event.Sale) { s.Shipping = 1_000 }), 1_000},
		{"12: one of two pieces back", percent(1_000_000), of(goods(1, "X", "", 2, 197)).back(refunded("R", day, 0, piecesOf(1, 1))), 98},
		{"12: the line at 10 % back", `"rules":[{"where":{"sku":"A"},"pay":{"percent":100000}},{"pay":{"percent":150000}}]`, of(goods(1, "A", "", 1, 10_000), goods(2, "B", "", 1, 10_000)).back(refunded("R", day, 0, wholeLine(1))), 1_500},
		{"26: 40 % of 10.00 against 5.00", equallyClose, order(1_000).with(mobile), 500},
		{"26: 40 % of 12.50, a tie", equallyClose, order(1_250).with(mobile), 500},
		{"26: 40 % of 20.00", equallyClose, order(2_000).with(mobile), 800},
		{"27: the closer rule wins over money", `"rules":[{"pay":{"percent":100000}},{"where":{"category":"gold"},"pay":{"percent":50000}}]`, of(goods(1, "X", "gold", 1, 1_000)), 50},
		{"28: gold, a new customer", goldAndReturning, of(goods(1, "X", "gold", 1, 1_000)).is(1), 400},
		{"28: gold, one who returns", goldAndReturning, of(goods(1, "X", "gold", 1, 1_000)).is(2), 50},
		{"29: A's own", scopes, order(1_000).by(program.Site, 17).as(program.Enrolment{Groups: []string{"vip"}}), 30},
		{"29: B in the group", scopes, order(1_000).as(program.Enrolment{Groups: []string{"vip"}}), 120},
		{"29: C by the program", scopes, order(1_000), 100},
		{"30: 10 % and 2.00", twoParts, of(goods(1, "A", "", 1, 1_000), goods(2, "B", "", 1, 505)), 351},
		{"31: the second line back", twoParts, of(goods(1, "A", "", 1, 1_000), goods(2, "B", "", 1, 505)).back(refunded("R", day, 0, wholeLine(2))), 300},
		{"32: four pieces, one back", `"rules":[{"pay":{"fixed":25,"per":"piece"}}]`, pieces(4).back(refunded("R", day, 0, piecesOf(1, 1))), 75},
		{"33: from 50.00 on", atLeast50, order(5_000), 1_000},
		{"33: then 0.01 back", atLeast50, order(5_000).back(refunded("R", day, 1)), 0},
		{"33: 49.99", atLeast50, order(4_999), 0},
		{"35: new", newOnTop, order(2_000).is(1), 700},
		{"35: returning", newOnTop, order(2_000).is(2), 200},
		{"36: at most 15.00", `"rules":[{"pay":{"percent":100000,"max":1500}}]`, order(20_000), 1_500},
		{"36: half back", `"rules":[{"pay":{"percent":100000,"max":1500}}]`, order(20_000).back(refunded("R", day, 10_000)), 1_000},
		{"37: before the discount", `"base":{"before_discount":true},` + percent(100_000), order(900).with(func(s *event.Sale) { s.Lines[0].Discount = 100 }), 100},
		{"38: 2.50 for a thousand", `"rules":[{"where":{"goal":"impression"},"pay":{"fixed":250,"per":"mille"}}]`, of(goods(1, "", "", 12_345, 0)).with(func(s *event.Sale) { s.Goal = "impression" }), 3_086},
		{"10 % of 12.56 and 2.50 for a thousand of 7", millePlus, of(goods(1, "X", "", 7, 1_256)), 127},
		{"the same in three lines", millePlus, of(goods(1, "X", "", 5, 1_250), goods(2, "Y", "", 1, 5), goods(3, "Z", "", 1, 1)), 127},
		{"the same, a piece back", millePlus, of(goods(1, "X", "", 7, 1_256)).back(refunded("R", day, 0, amountOf(1, 1))), 127},
		{"it is worth less than 1.28", `"rules":[{"where":{"device":"mobile"},"pay":{"percent":100000,"fixed":250,"per":"mille"}},{"where":{"goal":"sale"},"pay":{"fixed":128}}]`, of(goods(1, "X", "", 7, 1_256)).with(mobile), 128},
		{"39: clicks by country", clicksByCountry(), clicks(), 11_000},
		{"39: ten of the first back", clicksByCountry(), clicks().back(refunded("R", day, 0, piecesOf(1, 10))), 10_000},
		{"57: new", newAndReturning(), order(10_000).is(1), 2_000},
		{"57: returning", newAndReturning(), order(10_000).is(2), 500},
		{"61: 60.00, 10.00 back", atLeast50, order(6_000).back(refunded("R", day, 1_000)), 1_000},
		{"62: an amount of the whole order", percent(100_000), of(goods(1, "A", "", 1, 200), goods(2, "B", "", 1, 100)).back(refunded("R", day, 100)), 20},
		{"64: DE", placeAndCustomer(), order(1_000).is(1).with(func(s *event.Sale) { s.Country = "DE" }), 100},
		{"64: mobile", placeAndCustomer(), order(1_000).is(1).with(mobile), 100},
		{"64: neither", placeAndCustomer(), order(1_000).is(1), 0},
		{"64: DE, returning", placeAndCustomer(), order(1_000).is(2).with(func(s *event.Sale) { s.Country = "DE" }), 0},
		{"a lead", `"rules":[{"where":{"goal":"lead"},"pay":{"fixed":250}}]`, of().with(func(s *event.Sale) { s.Goal = "lead" }), 250},
		{"a sale is no lead", `"rules":[{"where":{"goal":"lead"},"pay":{"fixed":250}}]`, order(100), 0},
		{"each line", `"rules":[{"pay":{"fixed":50,"per":"line"}}]`, of(goods(1, "A", "", 3, 300), goods(2, "B", "", 1, 100)), 100},
		{"a line back", `"rules":[{"pay":{"fixed":50,"per":"line"}}]`, of(goods(1, "A", "", 3, 300), goods(2, "B", "", 1, 100)).back(refunded("R", day, 0, wholeLine(1))), 50},
		{"part of a line back", `"rules":[{"pay":{"fixed":50,"per":"line"}}]`, of(goods(1, "A", "", 3, 300), goods(2, "B", "", 1, 100)).back(refunded("R", day, 0, piecesOf(1, 2))), 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := decideBy(t, document(t, row.document), row.sale)
			got := int64(0)
			for _, c := range d.Credits {
				got += c.Net
			}
			if got != row.want {
				t.Errorf("%d, want %d: %s", got, row.want, d.AppendJSON(nil))
			}
		})
	}
}

func clicksByCountry() string {
	return `"rules":[{"where":{"goal":"click","country":["US","GB","AU"]},"pay":{"fixed":100,"per":"click"}},
		{"where":{"goal":"click"},"pay":{"fixed":20,"per":"click"}}]`
}

// clicks are a day's of one partner: 100 from the United States, 50 from France.
func clicks() sale {
	return of(goods(1, "", "", 100, 0), goods(2, "", "", 50, 0)).with(func(s *event.Sale) {
		s.Goal, s.Lines[0].Country, s.Lines[1].Country = "click", "US", "FR"
	})
}

func newAndReturning() string {
	return `"rules":[{"where":{"customer":"new"},"pay":{"percent":200000}},{"where":{"customer":"returning"},"pay":{"percent":50000}}]`
}

func placeAndCustomer() string {
	return `"rules":[{"where":{"any":[{"country":"DE"},{"device":"mobile"}],"not":{"customer":"returning"}},"pay":{"percent":100000}}]`
}

// TestACommissionForAYear is case 58: 30 % for twelve months from when the customer was bound, then 10 %.
func TestACommissionForAYear(t *testing.T) {
	t.Parallel()
	last := int64(11)
	d := document(t, `"rules":[{"pay":{"percent":300000}},{"id":"any","pay":{"percent":100000}}]`)
	d.Rules[0].Where = program.All(program.Test{Key: program.KeyMonthsBound, Range: program.Range{Max: &last}})
	for _, row := range []struct {
		name string
		sale sale
		want int64
	}{
		{"the first month", order(4_900).bound(0), 1_470},
		{"the twelfth", order(4_900).bound(11), 1_470},
		{"the thirteenth", order(4_900).bound(12), 490},
		{"nobody's customer", order(4_900), 490},
	} {
		if got := decideBy(t, d, row.sale).Credits[0].Net; got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

// TestLinesOfOneRuleUnderADocument is cases 63 and 66.
func TestLinesOfOneRuleUnderADocument(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		document string
		lines    *event.Event
		net, fee int64
	}{
		{"63: the retail rule", percent(80_000), sold(goods(1, "A", "", 1, 1_530), goods(2, "B", "", 1, 2_034), goods(3, "C", "", 1, 1_999)), 445, 89},
		{"66: 400 lines of 24", percent(100_000), inLines(9_600, 400), 960, 192},
		{"66: 1,800 lines of 4", percent(100_000), inLines(7_200, 1_800), 720, 144},
		{"66: 400 lines of 5", percent(100_000), inLines(2_000, 400), 200, 40},
		{"66: 9 lines of 9", percent(55_000), inLines(81, 9), 4, 1},
	} {
		row.lines.GetSale().Currency = "USD"
		d := decideBy(t, document(t, `"network_fee":200000,`+row.document), sale{events: []*event.Event{row.lines}, kind: program.Site, partner: 3})
		if c := d.Credits[0]; c.Net != row.net || c.Fee != row.fee {
			t.Errorf("%s: %d and a fee of %d, want %d and %d", row.name, c.Net, c.Fee, row.net, row.fee)
		}
	}
}

// TestWhoElseIsPaid is cases 3, 40 and 60, and what surrounds them.
func TestWhoElseIsPaid(t *testing.T) {
	t.Parallel()
	of10 := func(of string) string {
		return fmt.Sprintf(`"network_fee":200000,"rules":[{"id":"any","pay":{"percent":200000}},{"id":"up","to":"recruiter","pay":{"percent":100000,"of":%q}}]`, of)
	}
	levels := `"network_fee":200000,"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":100000,"of":"commission"}},
		{"to":"recruiter2","pay":{"percent":50000,"of":"commission"}}]`
	friend := `"rules":[{"where":{"customer":"new"},"pay":{"fixed":1000}},
		{"id":"friend","to":"customer","where":{"customer":"new","order_amount":{"min":3000}},"pay":{"fixed":500,"unit":"POINT"}}]`
	recruited := program.Enrolment{Recruiter: 5, Recruiter2: 6}
	for _, row := range []struct {
		name     string
		document string
		sale     sale
		want     string
	}{
		{"3: of the sale", of10("sale"), order(10_000).as(recruited), "partner 3: 2000 USD, fee 400; recruiter 5: 1000 USD, fee 0"},
		{"3: of the commission", of10("commission"), order(10_000).as(recruited), "partner 3: 2000 USD, fee 400; recruiter 5: 200 USD, fee 0"},
		{"of the network's fee, which is less then", of10("fee"), order(10_000).as(recruited), "partner 3: 2000 USD, fee 400; recruiter 5: 40 USD, fee -40"},
		{"nobody recruited them", of10("sale"), order(10_000), "partner 3: 2000 USD, fee 400"},
		{"40: two levels", levels, order(10_000).as(recruited), "partner 3: 1000 USD, fee 200; recruiter 5: 100 USD, fee 0; recruiter2 6: 50 USD, fee 0"},
		{"40: half back", levels, order(10_000).as(recruited).back(refunded("R", day, 5_000)), "partner 3: 500 USD, fee 100; recruiter 5: 50 USD, fee 0; recruiter2 6: 25 USD, fee 0"},
		{"60: a new customer", friend, order(3_000).is(1), "partner 3: 1000 USD, fee 0; customer 0: 500 POINT, fee 0"},
		{"60: a cent less", friend, order(2_999).is(1), "partner 3: 1000 USD, fee 0"},
		{"60: a cent back", friend, order(3_000).is(1).back(refunded("R", day, 1)), "partner 3: 1000 USD, fee 0; customer 0: 0 POINT, fee 0"},
		{"60: returning", friend, order(3_000).is(2), "no_rule"},
		{"the customer alone has a rule", `"rules":[{"where":{"customer":"returning"},"pay":{"fixed":1000}},{"to":"customer","pay":{"fixed":500}}]`, order(3_000).is(1), "partner 3: no_rule, fee 0; customer 0: 500 USD, fee 0"},
		{"the recruiter alone has one", `"network_fee":200000,"rules":[{"where":{"category":"gold"},"pay":{"fixed":1000}},{"to":"recruiter","pay":{"percent":50000}}]`, order(3_000).as(recruited), "partner 3: no_rule, fee 0; recruiter 5: 150 USD, fee 0"},
		{"a recruiter's part of nothing", `"rules":[{"where":{"category":"gold"},"pay":{"fixed":1000}},{"to":"recruiter","pay":{"percent":50000,"of":"commission"}}]`, order(3_000).as(recruited), "no_rule"},
		{"forbidden to the partner", `"zero":[{"where":{"customer":"new"},"code":"known"}],"rules":[{"to":"customer","pay":{"fixed":500}}]`, order(3_000).is(1), "restricted:known"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := decideBy(t, document(t, row.document), row.sale)
			if got := inShort(&d); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

// inShort is what credits come to, or why there are none.
func inShort(d *Decision) string {
	var list []string
	for i := range d.Credits {
		c := &d.Credits[i]
		list = append(list, fmt.Sprintf("%s %d: %d %s, fee %d", c.Role, c.Partner, c.Net, c.Unit, c.Fee))
		if c.Unpaid != "" {
			list[i] = fmt.Sprintf("%s %d: %s, fee %d", c.Role, c.Partner, c.Unpaid, c.Fee)
		}
	}
	if len(list) == 0 {
		return string(d.Outcome)
	}
	return strings.Join(list, "; ")
}

// partnersOf shares an order by equal weights among partners from 21 on.
func partnersOf(t rapid.TB, document program.Document, s sale, enrolled ...program.Enrolment) Decision {
	t.Helper()
	var winners []winner
	var found []program.LinkTerms
	for i, e := range enrolled {
		one := s
		one.partner, one.enrolled = program.PartnerID(21+i), e
		winners, found = append(winners, winner{i, 1}), append(found, underTerms(document, &one))
	}
	return decideShared(t, s.folded(t), s, winners, found...)
}

// TestOneCreditForARecruiterOfSeveral shares an order among three partners, two of whom partner 5 recruited.
func TestOneCreditForARecruiterOfSeveral(t *testing.T) {
	t.Parallel()
	byFive, free, vip := program.Enrolment{Recruiter: 5}, program.Enrolment{}, program.Enrolment{Recruiter: 5, Groups: []string{"vip"}}
	levels := document(t, `"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":100000,"of":"commission"}},{"to":"recruiter2","pay":{"percent":50000,"of":"commission"}}]`)
	onlyVIP := document(t, `"rules":[{"where":{"partner_group":"vip"},"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":100000}}]`)
	rules := func(up string) program.Document {
		return document(t, `"rules":[{"id":"any","pay":{"percent":100000}},{"id":"up","to":"recruiter","pay":`+up+`}],
			"overrides":[{"group":"vip","rules":[{"id":"vip","to":"recruiter","pay":{"percent":500000,"of":"commission"}}]}]`)
	}
	for _, row := range []struct {
		name     string
		document program.Document
		sale     sale
		enrolled []program.Enrolment
		want     string
	}{
		{"10 % of 34 and 33, rounded once", rules(`{"percent":100000,"of":"commission"}`), order(1_000), []program.Enrolment{byFive, free, byFive}, "partner 21: 34 USD, fee 0; partner 22: 33 USD, fee 0; partner 23: 33 USD, fee 0; recruiter 5: 7 USD, fee 0"},
		{"5 % of two thirds of the sale", rules(`{"percent":50000}`), order(1_000), []program.Enrolment{byFive, free, byFive}, "partner 21: 34 USD, fee 0; partner 22: 33 USD, fee 0; partner 23: 33 USD, fee 0; recruiter 5: 33 USD, fee 0"},
		{"3.00 an order, two thirds of it", rules(`{"fixed":300}`), order(1_000), []program.Enrolment{byFive, free, byFive}, "partner 21: 34 USD, fee 0; partner 22: 33 USD, fee 0; partner 23: 33 USD, fee 0; recruiter 5: 200 USD, fee 0"},
		{"one of them by other rules", rules(`{"percent":100000,"of":"commission"}`), order(1_000), []program.Enrolment{byFive, free, vip}, "partner 21: 34 USD, fee 0; partner 22: 33 USD, fee 0; partner 23: 33 USD, fee 0; recruiter 5: 20 USD, fee 0"},
		{"in two roles", levels, order(1_000), []program.Enrolment{byFive, {Recruiter: 6, Recruiter2: 5}}, "partner 21: 50 USD, fee 0; partner 22: 50 USD, fee 0; recruiter 5: 5 USD, fee 0; recruiter 6: 5 USD, fee 0; recruiter2 5: 3 USD, fee 0"},
		{"one of them without a rule of their own", onlyVIP, order(1_000), []program.Enrolment{byFive, vip}, "partner 21: no_rule, fee 0; partner 22: 50 USD, fee 0; recruiter 5: 100 USD, fee 0"},
		{"after a refund", rules(`{"percent":100000,"of":"commission"}`), order(1_000).back(refunded("R", day, 0)), []program.Enrolment{byFive, free, byFive}, "partner 21: 0 USD, fee 0; partner 22: 0 USD, fee 0; partner 23: 0 USD, fee 0; recruiter 5: 0 USD, fee 0"},
	} {
		d := partnersOf(t, row.document, row.sale, row.enrolled...)
		if got := inShort(&d); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// Shares of the network's fee go by the weights, whatever a partner's own rules give: 20 % of half of 505 is 51.
func TestTheFeeGoesByTheWeights(t *testing.T) {
	t.Parallel()
	const rest = `"network_fee":200000,"rules":[{"where":{"partner_group":"vip"},"pay":{"percent":100000}}`
	for name, row := range map[string]struct{ document, want string }{
		"a rule of nothing": {rest + `,{"pay":{"percent":0}}]`, "partner 21: 253 USD, fee 26; partner 22: 0 USD, fee 25"},
		"no rule":           {rest + `]`, "partner 21: 253 USD, fee 26; partner 22: no_rule, fee 25"},
		"a zero rule":       {rest + `],"zero":[{"id":"own","where":{"property":"coupon_site"},"code":"own"}]`, "partner 21: 253 USD, fee 26; partner 22: restricted:own, fee 25"},
	} {
		d := partnersOf(t, document(t, row.document), order(5_050), program.Enrolment{Groups: []string{"vip"}}, program.Enrolment{Properties: []string{"coupon_site"}})
		if got := inShort(&d); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}

// TestWhyNobodyIsPaid is case 34, and the other reasons for which an order that was won earns nothing.
func TestWhyNobodyIsPaid(t *testing.T) {
	t.Parallel()
	couponSite := `"zero":[{"id":"own","where":{"coupon":["WELCOME"],"property":"coupon_site"},"code":"coupon_not_allowed"}],` + percent(100_000)
	welcome := order(10_000).with(func(s *event.Sale) { s.Coupon = "welcome " })
	site := program.Enrolment{Properties: []string{"coupon_site"}}
	for _, row := range []struct {
		name     string
		document string
		sale     sale
		want     string
	}{
		{"34: the coupon on a coupon site", couponSite, welcome.as(site), "restricted:coupon_not_allowed"},
		{"34: on another site", couponSite, welcome, "partner 3: 1000 USD, fee 0"},
		{"34: another coupon", couponSite, order(10_000).as(site), "partner 3: 1000 USD, fee 0"},
		{"no rule", `"rules":[{"where":{"category":"gold"},"pay":{"percent":1}}]`, order(100), "no_rule"},
		{"a rule of nothing is one", percent(0), order(100), "partner 3: 0 USD, fee 0"},
		{"another currency without a rate", percent(100_000), order(100).with(func(s *event.Sale) { s.Currency = "EUR" }), "no_rate"},
		{"more than the books hold", `"rules":[{"pay":{"fixed":9000000,"per":"piece"}}]`, of(goods(1, "X", "", 1_111_112, 1)), "cannot_be_priced"},
		{"as much as they hold", `"rules":[{"pay":{"fixed":10000000,"per":"mille"}}]`, of(goods(1, "X", "", 1_000_000_000, 1)), "partner 3: 10000000000000 USD, fee 0"},
		{"two rules together more", `"rules":[{"pay":{"fixed":10000000,"per":"mille"}},{"adds":true,"pay":{"fixed":1}}]`, of(goods(1, "X", "", 1_000_000_000, 1)), "cannot_be_priced"},
		{"a rate that makes too much", percent(100_000), order(money.MaxAmount / 2).with(func(s *event.Sale) { s.Currency = "EUR" }).at(Rate{Base: "EUR", Quote: "USD", Num: 201, Den: 100}), "cannot_be_priced"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := decideBy(t, document(t, row.document), row.sale)
			if got := inShort(&d); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
			if reason, _ := d.Outcome.Code(); !slices.Contains(Reasons(), reason) {
				t.Errorf("%s is not a reason that is listed", reason)
			}
		})
	}
}

// at adds a rate.
func (s sale) at(r Rate) sale {
	s.rates = append(slices.Clone(s.rates), r)
	return s
}

// TestOrdersInOtherCurrencies is case 59, and what rates can be made of.
func TestOrdersInOtherCurrencies(t *testing.T) {
	t.Parallel()
	ecb := func(quote string, num, den int64) Rate {
		return Rate{Base: "EUR", Quote: quote, Day: time.Date(2026, time.February, 27, 0, 0, 0, 0, time.UTC), Source: "ecb", Num: num, Den: den}
	}
	in := func(currency string) sale { return order(10_000).with(func(s *event.Sale) { s.Currency = currency }) }
	for _, row := range []struct {
		name, unit string
		sale       sale
		want       string
	}{
		{"59: EUR in USD", "USD", in("EUR").at(ecb("USD", 10_877, 10_000)), "partner 3: 1088 USD, fee 218"},
		{"59: EUR in JPY", "JPY", in("EUR").at(ecb("JPY", 16_235, 100)), "partner 3: 1624 JPY, fee 325"},
		{"the other way round", "EUR", in("USD").at(ecb("USD", 12_500, 10_000)), "partner 3: 800 EUR, fee 160"},
		{"across", "GBP", in("USD").at(ecb("USD", 125, 100)).at(ecb("GBP", 85, 100)), "partner 3: 680 GBP, fee 136"},
		{"across two sources", "GBP", in("USD").at(ecb("USD", 125, 100)).at(Rate{Base: "EUR", Quote: "GBP", Source: "bank", Num: 85, Den: 100}), "no_rate"},
		{"the same currency", "USD", in("USD"), "partner 3: 1000 USD, fee 200"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := decideBy(t, document(t, fmt.Sprintf(`"network_fee":200000,"currency":%q`, row.unit), percent(100_000)), row.sale)
			if got := inShort(&d); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func TestRefundsAfterTheirWindowChangeNothing(t *testing.T) {
	t.Parallel()
	d := document(t, `"refund_window":"10d"`, percent(100_000)) // no hold
	late := refunded("late", 10*day, 2_000)
	late.ReceivedAt += time.Second.Microseconds()
	for _, row := range []struct {
		name   string
		refund *event.Event
		want   int64
	}{
		{"at its end", refunded("R", 10*day, 2_000), 800},
		{"a microsecond later", refunded("R", 10*day+time.Microsecond, 2_000), 1_000},
		{"received later", late, 1_000},
	} {
		s := order(10_000).back(row.refund)
		decided := decideBy(t, d, s)
		if c := decided.Credits[0]; c.Net != row.want || c.Gross != 1_000 || c.Refunded != 2_000 {
			t.Errorf("%s: %d of %d with %d refunded, want %d", row.name, c.Net, c.Gross, c.Refunded, row.want)
		}
	}
}

func TestAPartnersOwnHold(t *testing.T) {
	t.Parallel()
	d := document(t, percent(100_000), `"overrides":[{"group":"vip","hold":"7d"},{"partner":17,"hold":"3d"}]`)
	for _, row := range []struct {
		sale sale
		days int
	}{
		{order(100), 0},
		{order(100).as(program.Enrolment{Groups: []string{"vip"}}), 7},
		{order(100).by(program.Site, 17).as(program.Enrolment{Groups: []string{"vip"}}), 3},
	} {
		c := decideBy(t, d, row.sale).Credits[0]
		if want := noon().AddDate(0, 0, row.days); !c.HoldUntil.Equal(want) || c.Terms.HoldSeconds != int64(row.days)*86_400 {
			t.Errorf("held until %s, %d s, want %s", c.HoldUntil, c.Terms.HoldSeconds, want)
		}
	}
}

// TestRulesThatLost holds what a record says of rules that were about the same line.
func TestRulesThatLost(t *testing.T) {
	t.Parallel()
	d := document(t, `"rules":[{"id":"sku","where":{"sku":"A"},"pay":{"percent":50000}},{"id":"any","pay":{"percent":100000}},
		{"id":"mobile","where":{"device":"mobile"},"pay":{"percent":200000}},{"id":"sale","where":{"goal":"sale"},"pay":{"percent":200000}},
		{"id":"top","adds":true,"pay":{"percent":10000}}],"overrides":[{"group":"vip","rules":[{"id":"vip","where":{"category":"v"},"pay":{"percent":10000}}]}]`)
	s := of(goods(1, "A", "", 1, 1_000), goods(2, "B", "v", 1, 500), goods(3, "B", "", 1, 300)).as(program.Enrolment{Groups: []string{"vip"}})
	c := decideBy(t, d, s.with(func(s *event.Sale) { s.Device = "mobile" })).Credits[0]
	var got []string
	for _, l := range c.Lost {
		got = append(got, fmt.Sprintf("%s to %s by %s, %d to %d", l.ID, c.Rules[l.Rule].ID, l.By, l.Worth, l.Won))
	}
	want := []string{
		"any to sku by closeness, 100 to 50", "mobile to sku by closeness, 200 to 50", "sale to sku by closeness, 200 to 50",
		"any to vip by scope, 50 to 5", "mobile to vip by scope, 100 to 5", "sale to vip by scope, 100 to 5",
		"any to mobile by closeness, 30 to 60", "sale to mobile by position, 60 to 60",
	}
	if !slices.Equal(got, want) {
		t.Errorf("lost:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(decideBy(t, document(t, percent(100_000)), order(100)).Credits[0].Lost) != 0 {
		t.Error("a rule lost to nobody")
	}
}

// TestTheRecordOfThreePartnersIsSmall keeps the record of a split where PostgreSQL keeps it in its row.
func TestTheRecordOfThreePartnersIsSmall(t *testing.T) {
	t.Parallel()
	s := of(goods(1, "85123A", "product", 6, 1_530), goods(2, "71053", "product", 6, 2_034), goods(3, "POST", "service", 1, 1_800)).is(2)
	terms := document(t, `"network_fee":200000,"rules":[{"id":"product","where":{"category":"product"},"pay":{"percent":80000}},{"id":"any","pay":{"percent":50000,"fixed":20}}]`)
	d := sharedBy(t, terms, s, []int64{2, 1, 2}, program.Enrolment{})
	for i, id := range []string{"AQEAAAAAAAAABwGVUxvEAAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "AQEAAAAAAAAACAGVUxvEAAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "AQEAAAAAAAAACQGVUxvEAAECAwQFBgcICQoLDA0ODxAREhMUFRYX"} {
		d.Touches = append(d.Touches, Touch{
			Kind: TouchClick, ID: id, Won: true, Reason: Credited, At: noon().Add(-time.Hour), AgeMillis: 3_600_000, Clock: event.ReceiptClock,
			WindowSeconds: 2_592_000, Link: program.LinkID(7 + i), Program: 2, Partner: program.PartnerID(21 + i),
		})
	}
	record := string(d.AppendJSON(nil))
	if n := strings.Count(record, `"priced"`); len(record) > 2_000 || n != 1 {
		t.Errorf("it has %d bytes, with prices written %d times: %s", len(record), n, record)
	}
}

func TestWhatCountsAsARate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		amount, num, den, want int64
		ok                     bool
	}{
		{5, 1, 2, 3, true},
		{4, 1, 10, 0, true},
		{money.MaxAmount, 1, 1, money.MaxAmount, true},
		{money.MaxAmount, 1_000_001, 1_000_000, 0, false},
		{2*money.MaxAmount + 1, 1, 2, 0, false},
		{money.MaxAmount, 1 << 62, 1, 0, false},
	} {
		if got, ok := scaled(row.amount, row.num, row.den); ok != row.ok || ok && got != row.want {
			t.Errorf("%d x %d / %d is %d, %t; want %d, %t", row.amount, row.num, row.den, got, ok, row.want, row.ok)
		}
	}
	large := Rate{Base: "USD", Quote: "EUR", Num: 1<<62 + 1, Den: 1}
	for name, rates := range map[string][]Rate{
		"nothing": nil, "a rate of nothing": {{Base: "USD", Quote: "GBP", Num: 0, Den: 1}}, "what no number holds": {large, {Base: "EUR", Quote: "GBP", Num: 3, Den: 2}},
	} {
		if r, ok := RateBetween(rates, "USD", "GBP"); ok {
			t.Errorf("%s is a rate: %v", name, r)
		}
	}
}
