package commission

import (
	"fmt"
	"slices"

	"tributary/partners/program"
)

// check refuses a credit whose parts do not belong together.
func (c *Credit) check(o *Order) error {
	if !c.Terms.Full && len(c.Priced) != len(o.Lines) {
		return fmt.Errorf("%d of %d lines are priced", len(c.Priced), len(o.Lines))
	}
	for i, p := range c.Priced {
		switch _, there := o.line(p.Line); {
		case p.Rule < 0 || p.Rule >= len(c.Rules):
			return fmt.Errorf("line %d is priced by rule %d of %d", p.Line, p.Rule, len(c.Rules))
		case c.Terms.Full && (!there || i > 0 && p.Line < c.Priced[i-1].Line):
			return fmt.Errorf("line %d is priced, which is not there or out of order", p.Line)
		}
	}
	for _, l := range c.Lost {
		if l.Rule < 0 || l.Rule >= len(c.Rules) {
			return fmt.Errorf("rule %q lost to rule %d of %d", l.ID, l.Rule, len(c.Rules))
		}
	}
	if from := len(c.From); from > 0 && from != len(c.Rules) && (from > 1 || c.Unpaid == "") {
		return fmt.Errorf("%d of %d rules say for whose part they pay", len(c.From), len(c.Rules))
	}
	if c.Rate != nil {
		if num, den, ok := c.Rate.scale(); !ok || num <= 0 || den <= 0 {
			return fmt.Errorf("%d / %d is no rate of %s in %s", c.Rate.Num, c.Rate.Den, c.Rate.Base, c.Rate.Quote)
		}
	}
	return nil
}

// SamePrices reports whether the order is worth the same to both credits, line by line.
func (c *Credit) SamePrices(o *Credit) bool {
	return slices.Equal(c.Rules, o.Rules) && slices.Equal(c.Priced, o.Priced) && slices.Equal(c.Lost, o.Lost)
}

// appendJSON appends a credit on an order in a currency, without its prices when the one before it has the same, and by a full
// document without its terms either. before is nil for the first.
func (c *Credit) appendJSON(dst []byte, currency string, before *Credit) []byte {
	dst = appendNumber(dst, `{"program":`, int64(c.Program))
	dst = appendNumber(dst, `,"partner":`, int64(c.Partner))
	if c.Role != RolePartner {
		dst = appendText(dst, `,"role":`, c.Role.String())
	}
	dst = optNumber(dst, `,"weight":`, c.Weight)
	dst = optNumber(dst, `,"link":`, int64(c.Link))
	if c.Unit != currency {
		dst = appendText(dst, `,"unit":`, c.Unit)
	}
	again := before != nil && c.Terms.Full && c.sameTerms(before)
	if !again {
		dst = c.Terms.appendJSON(append(dst, `,"terms":`...))
		dst = appendTime(dst, `,"hold_until":`, c.HoldUntil)
	}
	dst = appendNumber(dst, `,"lines":`, int64(c.Lines))
	dst = appendNumber(dst, `,"gross":`, c.Gross)
	dst = appendNumber(dst, `,"net":`, c.Net)
	dst = appendNumber(dst, `,"fee":`, c.Fee)
	dst = optProduct(dst, `,"fee_exact":`, c.FeeExact)
	dst = optNumber(dst, `,"disputed":`, c.Disputed)
	if c.Counted != nil {
		dst = c.Counted.appendJSON(append(dst, `,"counted":`...))
	}
	if !again {
		dst = c.Rate.append(dst)
		dst = optTime(dst, `,"refunds_until":`, c.RefundsUntil)
	}
	dst = optText(dst, `,"unpaid":`, string(c.Unpaid))
	dst = appendFrom(dst, c.From)
	if before == nil || !c.SamePrices(before) {
		dst = appendList(dst, `,"rules":[`, c.Rules, (*Rule).appendJSON)
		dst = appendList(dst, `,"priced":[`, c.Priced, (*Priced).appendJSON)
		dst = appendList(dst, `,"lost":[`, c.Lost, (*Lost).appendJSON)
	}
	return append(dst, '}')
}

// sameTerms reports whether a credit is by the same terms as another, and as long held.
func (c *Credit) sameTerms(o *Credit) bool {
	return c.Terms == o.Terms && c.HoldUntil.Equal(o.HoldUntil) && c.RefundsUntil.Equal(o.RefundsUntil) && c.Rate.String() == o.Rate.String()
}

func (t *TermsApplied) appendJSON(dst []byte) []byte {
	dst = appendNumber(dst, `{"version":`, int64(t.Version))
	dst = appendTime(dst, `,"effective_from":`, t.EffectiveFrom)
	dst = appendNumber(dst, `,"hold_s":`, t.HoldSeconds)
	dst = optNumber(dst, `,"extension_s":`, t.ExtensionSeconds)
	dst = appendNumber(dst, `,"network_fee":`, int64(t.NetworkFee))
	dst = appendText(dst, `,"kind":`, string(t.Kind))
	if t.Full {
		dst = append(dst, `,"full":true`...)
	}
	if t.Base != (program.Base{}) {
		dst = appendBase(dst, t.Base)
	}
	return append(optNumber(dst, `,"rules":`, int64(t.Rules)), '}')
}

func appendBase(dst []byte, base program.Base) []byte {
	dst = append(dst, `,"base":{`...)
	first := len(dst)
	for _, part := range [...]struct {
		name string
		is   bool
	}{{"tax", base.Tax}, {"shipping", base.Shipping}, {"shipping_tax", base.ShippingTax}, {"before_discount", base.BeforeDiscount}} {
		if part.is {
			dst = append(appendText(separate(dst, len(dst)-first), "", part.name), ":true"...)
		}
	}
	return append(dst, '}')
}

func (r *Rate) append(dst []byte) []byte {
	if r == nil {
		return dst
	}
	dst = appendText(dst, `,"rate":{"base":`, r.Base)
	dst = appendText(dst, `,"quote":`, r.Quote)
	dst = appendTime(dst, `,"day":`, r.Day)
	dst = appendText(dst, `,"source":`, r.Source)
	dst = appendNumber(dst, `,"num":`, r.Num)
	return append(appendNumber(dst, `,"den":`, r.Den), '}')
}

func appendFrom(dst []byte, from [][]program.PartnerID) []byte {
	if len(from) == 0 {
		return dst
	}
	dst = append(dst, `,"from":[`...)
	for i, partners := range from {
		dst = append(separate(dst, i), '[')
		for n, partner := range partners {
			dst = appendNumber(separate(dst, n), "", int64(partner))
		}
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

func (r *Rule) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if r.ID != "" {
		dst = appendText(dst, `"id":`, r.ID)
		dst = append(optText(dst, `,"scope":`, string(r.Scope)), ',')
	}
	if r.Matched != "" {
		dst = append(appendText(dst, `"matched":`, r.Matched), ',')
	}
	dst = appendNumber(dst, `"rate":`, int64(r.Rate))
	dst = optText(dst, `,"of":`, string(r.Of))
	dst = optNumber(dst, `,"fixed":`, r.Fixed)
	dst = optText(dst, `,"per":`, string(r.Per))
	dst = optNumber(dst, `,"units":`, r.Units)
	dst = optNumber(dst, `,"left":`, r.Left)
	dst = optNumber(dst, `,"min":`, r.Min)
	dst = optNumber(dst, `,"max":`, r.Max)
	dst = appendNumber(dst, `,"amount":`, r.Amount)
	dst = appendNumber(dst, `,"base":`, r.Base)
	dst = optProduct(dst, `,"exact":`, r.Exact)
	dst = optNumber(dst, `,"net":`, r.Net)
	return append(dst, '}')
}

func (l *Lost) appendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"id":`, l.ID)
	dst = optText(dst, `,"scope":`, string(l.Scope))
	dst = appendNumber(dst, `,"rule":`, int64(l.Rule))
	dst = appendText(dst, `,"by":`, string(l.By))
	dst = appendNumber(dst, `,"worth":`, l.Worth)
	dst = appendNumber(dst, `,"won":`, l.Won)
	return append(dst, '}')
}

func (p *Priced) appendJSON(dst []byte) []byte {
	dst = appendNumber(dst, `{"n":`, p.Line)
	dst = appendNumber(dst, `,"rule":`, int64(p.Rule))
	dst = appendNumber(dst, `,"base":`, p.Base)
	dst = optNumber(dst, `,"net":`, p.Net)
	return append(dst, '}')
}
