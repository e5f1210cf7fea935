package dashboard

import (
	"strconv"
	"strings"
	"time"

	"tributary/commission"
	"tributary/internal/text"
	"tributary/partners/program"
)

// pays says in words what a rule of a full document pays, each part on a line of its own.
func (view *whyView) pays(t *text.Printer, c *commission.Credit, r *commission.Rule) (parts []string) {
	if r.Rate > 0 || r.Fixed == 0 {
		switch r.Of {
		case program.OfCommission:
			parts = append(parts, t.WhyRateOfCommission(r.Rate.String()))
		case program.OfFee:
			parts = append(parts, t.WhyRateOfFee(r.Rate.String()))
		default:
			parts = append(parts, r.Rate.String())
		}
	}
	if r.Fixed > 0 {
		parts = append(parts, t.RuleFixed(string(r.Per), amount{c.Unit, r.Fixed}.text()))
	}
	if r.Min > 0 {
		parts = append(parts, t.WhyLeastOrder(amount{view.currencyOf(c), r.Min}.text()))
	}
	if r.Max > 0 {
		parts = append(parts, t.WhyAtMost(amount{c.Unit, r.Max}.text()))
	}
	switch alone := r.Exact.Round(); {
	case r.Max > 0 && alone > r.Max || alone == r.Net:
	case r.Of == program.OfFee:
		parts = append(parts, t.WhyFeeTogether())
	case r.Of == program.OfCommission:
		parts = append(parts, t.WhyRoundedTogether())
	}
	return parts
}

// currencyOf is the currency of a credit's terms: that of the order where the terms have none.
func (view *whyView) currencyOf(c *commission.Credit) string {
	if c.Rate != nil {
		return c.Rate.Quote
	}
	return view.Decision.Order.Currency
}

// reckoned is the arithmetic of a rule: its rate of what is left, and its fixed amount so many times.
func (view *whyView) reckoned(c *commission.Credit, r *commission.Rule) string {
	var parts []string
	if r.Rate > 0 {
		base := view.amount(r.Base)
		if r.Of != "" || c.Rate != nil {
			base = amount{c.Unit, c.Based(r)}
		}
		parts = append(parts, base.figures()+" × "+r.Rate.String()+" = "+exact(r.Exact, c.Unit))
	}
	if r.Fixed > 0 {
		times := amount{c.Unit, r.Fixed}.figures() + " × " + strconv.FormatInt(r.Left, 10)
		if r.Per == program.PerMille {
			times += " / 1000"
		}
		parts = append(parts, times)
	}
	if len(parts) == 0 {
		return text.Dash
	}
	return strings.Join(parts, "; ")
}

// lineOf finds a line by its number.
func lineOf(o *commission.Order, number int64) commission.Line {
	for _, l := range o.Lines {
		if l.Number == number {
			return l
		}
	}
	return commission.Line{Number: number}
}

// payeesOf names the partners for whose part of the order a rule pays; only the merchant reads names.
func (view *whyView) payeesOf(c *commission.Credit, rule int) string {
	if !view.forMerchant || len(c.From) == 0 {
		return ""
	}
	names := make([]string, len(c.From[rule]))
	for i, p := range c.From[rule] {
		names[i] = orDash(view.Partners[p])
	}
	return strings.Join(names, ", ")
}

// conversion says how amounts of the order became amounts of the credit.
func conversion(t *text.Printer, r *commission.Rate) string {
	return t.WhyConverted(r.Base, r.Day.UTC().Format(time.DateOnly), r.Quote, r.Decimal(), r.Source)
}

// baseText says what rates are taken of beside the lines' amounts.
func baseText(t *text.Printer, b program.Base) string {
	var parts []string
	for _, part := range []struct {
		is   bool
		name string
	}{{b.Tax, t.WhyBaseTax()}, {b.Shipping, t.WhyBaseShipping()}, {b.ShippingTax, t.WhyBaseShippingTax()}, {b.BeforeDiscount, t.WhyBaseDiscount()}} {
		if part.is {
			parts = append(parts, part.name)
		}
	}
	return strings.Join(parts, ", ")
}

// reasonText says why an order earns nothing, with the code of the merchant's terms where they gave one.
func reasonText(t *text.Printer, reason commission.Reason) string {
	of, code := reason.Code()
	if code == "" {
		return t.Reason(string(of))
	}
	return t.WhyReasonCode(code, t.Reason(string(of)))
}

// outcomeText is the same in a word or two.
func outcomeText(t *text.Printer, reason commission.Reason) string {
	of, code := reason.Code()
	return strings.TrimSuffix(t.Outcome(string(of))+": "+code, ": ")
}
