package termsform

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
)

func rulePrefix(n int) string { return fmt.Sprintf("rule%d_", n) }

// ruleFields are those of a rule beside its number in the document ("at"): the last part of each name.
func ruleFields() []string {
	return []string{
		"name", "to", "goods", "value", "kind", "customer", "months", "goal", "country", "coupon", "group", "min",
		"percent", "of", "fixed", "per", "points", "max", "adds",
	}
}

// listed are the keys whose values are typed between commas, by their field; single those of which one is chosen.
func listed() map[program.Key]string {
	return map[program.Key]string{program.KeyCountry: "country", program.KeyCoupon: "coupon", program.KeyPartnerGroup: "group"}
}

func single() map[program.Key]string {
	return map[program.Key]string{program.KeyPartnerKind: "kind", program.KeyCustomer: "customer", program.KeyGoal: "goal"}
}

// Goods are the keys that say which goods a rule is about.
func Goods() []program.Key {
	return []program.Key{program.KeyCategory, program.KeySKU, program.KeyPart}
}

// goods is the index of the test that the form shows as the goods of a condition, -1 for none.
func goods(where program.Cond) int {
	return slices.IndexFunc(where, func(t program.Test) bool { return slices.Contains(Goods(), t.Key) && listable(t.Texts) })
}

// shown tells whether the form shows a test of a condition.
func shown(where program.Cond, i int) bool {
	t := &where[i]
	if t.Key == program.KeyMonthsBound {
		return t.Range.Min == nil && t.Range.Max != nil
	}
	if t.Key == program.KeyOrderAmount {
		return t.Range.Max == nil && t.Range.Min != nil && *t.Range.Min > 0
	}
	if listed()[t.Key] != "" {
		return listable(t.Texts)
	}
	return single()[t.Key] != "" && len(t.Texts) == 1 || i == goods(where)
}

// kept are the tests that the form does not show, and keeps.
func kept(where program.Cond) (tests []program.Test) {
	for i := range where {
		if !shown(where, i) {
			tests = append(tests, where[i])
		}
	}
	return tests
}

func (f *Form) layRule(n int, r *program.Rule) {
	prefix := rulePrefix(n)
	set := func(name, value string) { f.set(prefix+name, value) }
	for _, name := range []string{"goods", "kind", "customer", "goal"} {
		set(name, "")
	}
	set("at", strconv.Itoa(n))
	set("name", r.ID)
	set("to", string(cmp.Or(r.To, program.ToPartner)))
	for i := range r.Where {
		f.layTest(prefix, r.Where, i)
	}
	unit := cmp.Or(r.Pay.Unit, f.Currency())
	if r.Pay.Percent != 0 || r.Pay.Fixed == 0 {
		set("percent", percent(r.Pay.Percent))
	}
	set("of", string(cmp.Or(r.Pay.Of, program.OfSale)))
	if r.Pay.Fixed != 0 {
		set("fixed", plain(r.Pay.Fixed, unit))
	}
	set("per", string(cmp.Or(r.Pay.Per, program.PerOrder)))
	if r.Pay.Max != 0 {
		set("max", plain(r.Pay.Max, unit))
	}
	f.check(prefix+"points", r.Pay.Unit != "")
	f.check(prefix+"adds", r.Adds)
}

func (f *Form) layTest(prefix string, where program.Cond, i int) {
	t := &where[i]
	switch name := cmp.Or(listed()[t.Key], single()[t.Key]); {
	case !shown(where, i):
	case name != "":
		f.set(prefix+name, strings.Join(t.Texts, ", "))
	case t.Key == program.KeyMonthsBound:
		f.set(prefix+"months", strconv.FormatInt(*t.Range.Max+1, 10))
	case t.Key == program.KeyOrderAmount:
		f.set(prefix+"min", plain(*t.Range.Min, f.Currency()))
	default:
		f.set(prefix+"goods", t.Key.String())
		f.set(prefix+"value", strings.Join(t.Texts, ", "))
	}
}

// blankRule tells that nothing was typed for a rule.
func (f *Form) blankRule(prefix string) bool {
	return !slices.ContainsFunc(ruleFields(), func(name string) bool {
		return !slices.Contains([]string{"to", "of", "per", "points"}, name) && f.Get(prefix+name) != ""
	})
}

// before is the rule that fields were laid out from, or an empty one.
func (f *Form) before(prefix string) program.Rule {
	if n, err := strconv.Atoi(f.Get(prefix + "at")); err == nil && n >= 0 && n < len(f.base.Rules) {
		return f.base.Rules[n]
	}
	return program.Rule{}
}

// rule reads the fields of a rule, which is the nth of the document.
func (f *Form) rule(prefix string, n int) program.Rule {
	r := f.before(prefix)
	path := fmt.Sprintf("rules[%d]", n)
	for under, name := range map[string]string{
		"": "percent", ".id": "name", ".to": "to", ".where": "goods", ".pay.percent": "percent", ".pay.of": "of", ".pay.fixed": "fixed", ".pay.per": "per",
		".pay.max": "max", ".pay.unit": "points", ".where.category": "value", ".where.sku": "value", ".where.part": "value", ".where.partner_kind": "kind",
		".where.customer": "customer", ".where.months_bound": "months", ".where.goal": "goal", ".where.country": "country", ".where.coupon": "coupon",
		".where.partner_group": "group", ".where.order_amount": "min",
	} {
		f.at[path+under] = prefix + name
	}
	r.ID, r.Adds = f.Get(prefix+"name"), f.Is(prefix+"adds")
	r.To = same(r.To, program.Payee(f.Get(prefix+"to")), program.ToPartner)
	r.Where = f.where(prefix, r.Where)
	p := &r.Pay
	if p.Unit = ""; f.Is(prefix + "points") {
		p.Unit = program.UnitPoint
	}
	unit := cmp.Or(p.Unit, f.Currency())
	p.Percent, p.Fixed, p.Max = f.rate(prefix+"percent"), f.amount(prefix+"fixed", unit), f.amount(prefix+"max", unit)
	if f.Get(prefix+"percent") == "" && f.Get(prefix+"fixed") == "" {
		f.note(prefix+"percent", text.WrongPaysNothing(), text.FixPaysNothing())
	}
	p.Of = chosen(p.Of, program.Of(f.Get(prefix+"of")), program.OfSale, p.Percent != 0)
	p.Per = chosen(p.Per, program.Per(f.Get(prefix+"per")), program.PerOrder, p.Fixed != 0)
	return r
}

// chosen is same for what is about an amount beside it: without that, the default is left out.
func chosen[T ~string](was, is, otherwise T, about bool) T {
	if !about && cmp.Or(is, otherwise) == otherwise {
		return ""
	}
	return same(was, is, otherwise)
}

// where reads the condition of a rule, which keeps what the form does not show.
func (f *Form) where(prefix string, was program.Cond) program.Cond {
	tests := slices.Clone(kept(was))
	add := func(name string, t program.Test) {
		if slices.ContainsFunc(tests, func(k program.Test) bool { return k.Key == t.Key }) {
			f.note(prefix+name, text.WrongThereTwice(), text.FixLeaveOneOut())
			return
		}
		tests = append(tests, t)
	}
	for _, key := range Goods() {
		if f.Get(prefix+"goods") == key.String() {
			if texts := f.list(prefix + "value"); len(texts) > 0 {
				add("value", program.Test{Key: key, Texts: texts})
			} else {
				f.note(prefix+"value", text.WrongNoGoods(), text.FixNoGoods())
			}
		}
	}
	if f.Get(prefix+"goods") == "" && f.Get(prefix+"value") != "" {
		f.note(prefix+"goods", text.WrongGoodsOfNothing(), text.FixGoodsOfNothing())
	}
	for key, name := range single() {
		if value := f.Get(prefix + name); value != "" {
			add(name, program.Test{Key: key, Texts: []string{value}})
		}
	}
	for key, name := range listed() {
		if texts := f.list(prefix + name); len(texts) > 0 {
			add(name, program.Test{Key: key, Texts: texts})
		}
	}
	if f.Get(prefix+"months") != "" {
		last := f.whole(prefix+"months") - 1
		if last < 0 {
			f.note(prefix+"months", text.WrongZero(), text.FixLeaveOut())
		}
		add("months", program.Test{Key: program.KeyMonthsBound, Range: program.Range{Max: &last}})
	}
	if least := f.amount(prefix+"min", f.Currency()); least > 0 {
		add("min", program.Test{Key: program.KeyOrderAmount, Range: program.Range{Min: &least}})
	}
	return program.All(tests...)
}

// A Row is a rule or a period of the form.
type Row struct {
	// Prefix begins the names of its fields.
	Prefix string
	// Kept is what else it says, in JSON.
	Kept string
}

// Rules are those of the form.
func (f *Form) Rules() (rows []Row) {
	for n := 0; f.Values.Has(rulePrefix(n) + "to"); n++ {
		row := Row{Prefix: rulePrefix(n)}
		if tests := kept(f.before(row.Prefix).Where); len(tests) > 0 {
			written, _ := program.Cond(tests).MarshalJSON()
			row.Kept = string(written)
		}
		rows = append(rows, row)
	}
	return rows
}

// AddRule adds empty fields for a rule that pays somebody.
func (f *Form) AddRule(to program.Payee) {
	prefix := rulePrefix(len(f.Rules()))
	f.set(prefix+"to", string(to))
	f.set(prefix+"per", string(program.PerOrder))
	f.set(prefix+"of", string(program.OfSale))
	switch to {
	case program.ToPartner:
	case program.ToRecruiter, program.ToRecruiter2:
		f.set(prefix+"of", string(program.OfCommission))
	case program.ToCustomer:
		f.set(prefix+"customer", program.CustomerNew)
	}
}

// Drop removes a rule or a period by the prefix of its fields; those behind it move up.
func (f *Form) Drop(prefix string) {
	rows, of := f.Rules(), rulePrefix
	if strings.HasPrefix(prefix, "period") {
		rows, of = f.Periods(), periodPrefix
	}
	n := slices.IndexFunc(rows, func(r Row) bool { return r.Prefix == prefix })
	if n < 0 {
		return
	}
	for ; n < len(rows); n++ {
		here, next := of(n), of(n+1)
		for name := range f.Values {
			if strings.HasPrefix(name, here) {
				f.Values.Del(name)
			}
		}
		for name, value := range f.Values {
			if under, is := strings.CutPrefix(name, next); is {
				f.Values[here+under] = value
			}
		}
	}
}

// Unit is what a rule's amounts are in.
func (f *Form) Unit(r Row) string {
	if f.Is(r.Prefix + "points") {
		return money.Points
	}
	return f.Currency()
}

// Goals are those of a merchant's own that the form lists.
func (f *Form) Goals() []string {
	if !listable(f.base.Goals) {
		return f.base.Goals
	}
	return f.list("goals")
}
