package dashboard

import (
	"cmp"
	"strings"

	"tributary/commission"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// A saidTest is a test of a condition as pages say it: what it asks of, and the values that it takes.
type saidTest struct{ of, values string }

// saidTests are the tests of a condition, in a unit. What takes more than a list of values is said as the document has it.
func saidTests(t *text.Printer, where program.Cond, unit string) (list []saidTest) {
	names := map[program.Key]string{
		program.KeyCategory: t.Goods("category"), program.KeySKU: t.Goods("sku"), program.KeyPart: t.Goods("part"), program.KeyPartnerKind: t.FormPartners(),
		program.KeyCustomer: t.FormCustomers(), program.KeyGoal: t.FormForGoal(), program.KeyCountry: t.FormCountry(), program.KeyCoupon: t.FormCoupons(),
		program.KeyPartnerGroup: t.FormGroups(), program.KeyDevice: t.FieldDevice(),
	}
	for i := range where {
		test := &where[i]
		switch name := names[test.Key]; {
		case test.Key == program.KeyPartnerKind:
			list = append(list, saidTest{name, named(test.Texts, t.PartnerKinds)})
		case test.Key == program.KeyCustomer:
			list = append(list, saidTest{name, named(test.Texts, t.CustomerKind)})
		case name != "":
			list = append(list, saidTest{name, strings.Join(test.Texts, ", ")})
		case test.Key == program.KeyOrderAmount && test.Range.Min != nil && test.Range.Max == nil:
			list = append(list, saidTest{t.FormMin(unit), amount{unit, *test.Range.Min}.figures()})
		default:
			written, _ := program.Cond{*test}.MarshalJSON()
			list = append(list, saidTest{"", string(written)})
		}
	}
	return list
}

// named are codes by their names.
func named(codes []string, name func(code string) string) string {
	var list []string
	for _, code := range codes {
		list = append(list, cmp.Or(name(code), code))
	}
	return strings.Join(list, ", ")
}

// unitOfTerms is what a document's amounts are in; nothing where that is each order's currency.
func unitOfTerms(d *program.Document, pay *program.Pay) string { return cmp.Or(pay.Unit, d.Currency) }

// saidPay is what a rule pays, each part by itself.
func saidPay(t *text.Printer, d *program.Document, r *program.Rule) []string {
	of := r.Pay.Of
	if of == program.OfSale {
		of = ""
	}
	said := commission.Rule{Rate: r.Pay.Percent, Of: of, Fixed: r.Pay.Fixed, Per: cmp.Or(r.Pay.Per, program.PerOrder), Max: r.Pay.Max}
	view := whyView{}
	parts := view.pays(t, &commission.Credit{Unit: unitOfTerms(d, &r.Pay)}, &said)
	if r.Adds {
		parts = append(parts, t.FormAdds())
	}
	return parts
}

// saidPeriod is a rule on periods in sentences.
func saidPeriod(t *text.Printer, d *program.Document, p *program.Period) []string {
	view := periodView{PeriodExplained: report.PeriodExplained{PeriodPaid: report.PeriodPaid{Unit: cmp.Or(d.Currency, money.Points)}}}
	return view.says(t, &program.Counting{PeriodRule: program.PeriodRule{Period: *p}})
}
