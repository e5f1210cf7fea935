package commission

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// drawPay draws what a rule pays: a rate, a fixed amount, or both. Without perLine no line counts for itself.
func drawPay(t *rapid.T, perLine bool) string {
	var parts []string
	kind := rapid.SampledFrom([]string{"rate", "fixed", "both"}).Draw(t, "pays")
	if kind != "fixed" {
		parts = append(parts, fmt.Sprintf(`"percent":%d`, rapid.IntRange(0, 1_000_000).Draw(t, "rate")))
	}
	if kind != "rate" {
		per := []string{"order", "piece", "mille"}
		if perLine {
			per = append(per, "line")
		}
		parts = append(parts, fmt.Sprintf(`"fixed":%d,"per":%q`, rapid.IntRange(1, 500).Draw(t, "fixed"), rapid.SampledFrom(per).Draw(t, "per")))
	}
	if rapid.Bool().Draw(t, "bounded") {
		parts = append(parts, fmt.Sprintf(`"max":%d`, rapid.IntRange(1, 5_000).Draw(t, "max")))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// drawDocument draws terms by which several rules are about a line, or with competing unset, just one beside those on top.
func drawDocument(t *rapid.T, competing bool) program.Document {
	rules := []string{fmt.Sprintf(`{"id":"any","pay":%s}`, drawPay(t, competing))}
	add := func(id, rest string) {
		if rapid.Bool().Draw(t, id) {
			rules = append(rules, fmt.Sprintf(`{"id":%q,%s,"pay":%s}`, id, rest, drawPay(t, competing)))
		}
	}
	add("top", `"adds":true`)
	add("big", `"adds":true,"where":{"order_amount":{"min":3000}}`)
	add("friend", `"to":"customer"`)
	if competing {
		add("product", `"where":{"category":"product"}`)
		add("service", `"where":{"category":["service","odd"]}`)
		add("sale", `"where":{"goal":"sale"}`)
		add("site", `"where":{"partner_kind":"site"}`)
		add("up", `"to":"recruiter"`)
	}
	switch rapid.IntRange(0, 3).Draw(t, "levels") {
	case 1:
		rules = append(rules, `{"id":"up of","to":"recruiter","where":{"partner_kind":"site"},"pay":{"percent":100000,"of":"commission"}}`)
	case 2:
		rules = append(rules, `{"id":"up2","to":"recruiter2","pay":{"percent":500000,"of":"fee"}}`)
	}
	base := rapid.SampledFrom([]string{`{}`, `{"tax":true}`, `{"shipping":true,"before_discount":true}`, `{"tax":true,"shipping":true,"shipping_tax":true}`}).Draw(t, "base")
	return document(t, `"network_fee":200000,"base":`+base, `"rules":[`+strings.Join(rules, ",")+`]`)
}

// drawSale draws an order with all that a base may have, and its refunds.
func drawSale(t *rapid.T) sale {
	s := sale{events: drawFacts(t), kind: program.Site, partner: 3}.is(rapid.IntRange(1, 2).Draw(t, "nth"))
	return s.with(func(sale *event.Sale) {
		sale.Currency = "USD"
		sale.Shipping, sale.ShippingTax = rapid.Int64Range(0, 900).Draw(t, "shipping"), rapid.Int64Range(0, 90).Draw(t, "its tax")
		for _, l := range sale.GetLines() {
			l.Tax, l.Discount = rapid.Int64Range(0, 300).Draw(t, "tax"), rapid.Int64Range(0, 300).Draw(t, "discount")
		}
	})
}

// sharedBy shares an order among partners by one document, in half of the draws by the same terms, so that they are priced together.
func sharedBy(t rapid.TB, d program.Document, s sale, weights []int64, enrolled program.Enrolment) Decision {
	t.Helper()
	var winners []winner
	var found []program.LinkTerms
	drawn, draws := t.(*rapid.T)
	together := draws && rapid.Bool().Draw(drawn, "together")
	for i, w := range weights {
		one := s.by(program.Site, program.PartnerID(21+i)).as(enrolled)
		winners, found = append(winners, winner{i, w}), append(found, underTerms(d, &one))
		if together {
			found[i].Terms = found[0].Terms
		}
	}
	return decideShared(t, s.folded(t), s, winners, found...)
}

// roundedOnce is what a rule gives on an order in the currency of its terms, worked out in fractions.
func roundedOnce(r *Rule) int64 {
	each := big.NewRat(r.Fixed, 1)
	if r.Per == program.PerMille {
		each = big.NewRat(r.Fixed, 1000)
	}
	sum := new(big.Rat).Mul(big.NewRat(int64(r.Rate), int64(money.One)), big.NewRat(r.Base, 1))
	sum.Add(sum, each.Mul(each, big.NewRat(r.Left, 1)))
	sum.Add(sum, big.NewRat(1, 2)) // half up, as none is below zero
	net := new(big.Int).Div(sum.Num(), sum.Denom()).Int64()
	if r.Max > 0 {
		net = min(net, r.Max)
	}
	return net
}

// TestWhatRemainsUnderADocument holds that what was decided reads back from its record, that nothing is ever below zero but the
// fee that pays a recruiter, and that an order of which everything is taken back leaves nothing.
func TestWhatRemainsUnderADocument(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms, s := drawDocument(t, true), drawSale(t)
		weights := rapid.SliceOfN(rapid.Int64Range(1, 5), 1, 3).Draw(t, "weights")
		up := program.Enrolment{Recruiter: 5, Recruiter2: 6}
		d := sharedBy(t, terms, s, weights, up)
		line := d.timeline(&scratch{})
		for step := range line.at {
			fee := int64(0)
			for i := range d.Credits {
				p := line.of(step, i, len(d.Credits))
				if fee += p.fee; p.net < 0 || p.fee < 0 && d.Credits[i].Role != RoleRecruiter2 {
					t.Fatalf("step %d: credit %d has %+v", step, i, p)
				}
			}
			if fee < 0 {
				t.Fatalf("step %d: a fee of %d", step, fee)
			}
		}
		for i := range d.Credits {
			c := &d.Credits[i]
			sum := int64(0)
			for _, p := range c.Priced {
				sum += p.Net
			}
			for n := range c.Rules {
				if r := &c.Rules[n]; r.Of == "" && r.Net != roundedOnce(r) {
					t.Fatalf("credit %d: %+v gives %d", i, *r, roundedOnce(r))
				}
				if len(c.linesOf(n)) > 0 {
					sum -= c.Rules[n].Net
				}
			}
			if sum != 0 {
				t.Fatalf("credit %d: the parts of lines are off by %d", i, sum)
			}
		}
		after := sharedBy(t, terms, s.back(refunded("everything", 300*day, 0)), weights, up)
		for i := range after.Credits {
			if c := &after.Credits[i]; c.Net != 0 || c.Fee != 0 {
				t.Fatalf("after everything is back, credit %d has %d and a fee of %d: %s", i, c.Net, c.Fee, after.AppendJSON(nil))
			}
		}
	})
}

// TestDividingLinesUnderADocument divides each line of an order, with its pieces, tax and discount, as a merchant might.
func TestDividingLinesUnderADocument(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms := drawDocument(t, false)
		rate := Rate{Base: "EUR", Quote: "USD", Num: rapid.Int64Range(1, 30_000).Draw(t, "rate"), Den: 10_000}
		s := drawSale(t).with(func(s *event.Sale) { s.Currency = rapid.SampledFrom([]string{"USD", "EUR"}).Draw(t, "currency") }).at(rate)
		s.events = s.events[:1]
		whole := decideBy(t, terms, s)
		var divided []*event.Line
		for _, l := range s.events[0].GetSale().GetLines() {
			n := rapid.IntRange(1, int(min(l.GetQuantity(), 5))).Draw(t, "parts")
			weights := rapid.SliceOfN(rapid.Int64Range(0, 9), n, n).Draw(t, "weights")
			pieces := money.Split(l.GetQuantity()-int64(n), weights)
			amounts, taxes, discounts := money.Split(l.GetAmount(), weights), money.Split(l.GetTax(), weights), money.Split(l.GetDiscount(), weights)
			for i := range n {
				part := goods(int64(len(divided)+1), l.GetSku(), l.GetCategory(), pieces[i]+1, amounts[i])
				part.Tax, part.Discount = taxes[i], discounts[i]
				divided = append(divided, part)
			}
		}
		s = s.with(func(s *event.Sale) { s.Lines = divided })
		if parts := decideBy(t, terms, s); inShort(&whole) != inShort(&parts) {
			t.Fatalf("%s; divided %s", inShort(&whole), inShort(&parts))
		}
	})
}

// TestSharesByADocumentAreTheWhole holds that partners at one price share what one of them would earn alone.
func TestSharesByADocumentAreTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms, s := drawDocument(t, true), drawSale(t)
		weights := rapid.SliceOfN(rapid.Int64Range(1, 9), 2, 6).Draw(t, "weights")
		alone, among := sharedBy(t, terms, s, []int64{0}, program.Enrolment{}), sharedBy(t, terms, s, weights, program.Enrolment{})
		if len(alone.Credits) == 0 {
			return
		}
		one, several := alone.timeline(&scratch{}), among.timeline(&scratch{})
		for step := range one.at {
			net, fee := int64(0), int64(0)
			for i := range weights {
				p := several.of(step, i, len(among.Credits))
				net, fee = net+p.net, fee+p.fee
			}
			if p := one.of(step, 0, len(alone.Credits)); p.net != net || p.fee != fee {
				t.Fatalf("step %d: the shares are %d, with a fee of %d; alone %+v", step, net, fee, p)
			}
		}
	})
}

// TestPartnersAlikeArePricedAsIfApart shares an order under one version of the terms, by which partners may be priced together, and
// under a copy for each.
func TestPartnersAlikeArePricedAsIfApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms, s := drawDocument(t, true), drawSale(t)
		terms.Hold, terms.Extension = program.Duration(30*day), program.Duration(30*day)
		terms.RefundWindow = program.Duration(rapid.IntRange(0, 9).Draw(t, "window")) * program.Duration(day)
		s.reviews = drawReviews(t)
		kind := rapid.SampledFrom([]program.Kind{program.Site, program.Member})
		var winners []winner
		var together, apart []program.LinkTerms
		for i, w := range rapid.SliceOfN(rapid.Int64Range(1, 5), 2, 4).Draw(t, "weights") {
			one := s.by(kind.Draw(t, "kind"), program.PartnerID(21+i)).as(program.Enrolment{Recruiter: 5, Recruiter2: 6})
			found := underTerms(terms, &one)
			found.Link = program.LinkID(i)
			apart = append(apart, found)
			found.Terms = apart[0].Terms
			winners, together = append(winners, winner{i, w}), append(together, found)
		}
		want := decideShared(t, s.folded(t), s, winners, apart...)
		got := decideShared(t, s.folded(t), s, winners, together...)
		if is, other := string(got.AppendJSON(nil)), string(want.AppendJSON(nil)); is != other {
			t.Errorf("together:\n%s\napart:\n%s", is, other)
		}
	})
}
