package termsform

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"tributary/internal/text"
	"tributary/partners/program"
)

func periodPrefix(n int) string { return fmt.Sprintf("period%d_", n) }

func tierPrefix(prefix string, n int) string { return fmt.Sprintf("%stier%d_", prefix, n) }

// Cap is what the field "pays" of a period is beside the modes: nothing above a measure.
const Cap = "cap"

// The kinds of tiers, by the name of their field in a document.
const (
	TierPercent      = "percent"
	TierOfCommission = "of_commission"
	TierEach         = "each"
	TierOnce         = "once"
)

// TierKinds are all of them.
func TierKinds() []string { return []string{TierPercent, TierOfCommission, TierEach, TierOnce} }

// spareTiers are those that are offered beside those that are there.
const spareTiers = 2

func (f *Form) layPeriod(n int, p *program.Period) {
	prefix := periodPrefix(n)
	set := func(name, value string) { f.set(prefix+name, value) }
	set("at", strconv.Itoa(n))
	set("name", p.ID)
	set("to", string(cmp.Or(p.To, program.ToPartner)))
	set("measure", string(p.Measure))
	set("length", string(p.Period))
	f.check(prefix+"skip_hold", p.SkipHold)
	if p.Cap != 0 {
		set("pays", Cap)
		set("cap", f.measured(p.Measure, p.Cap))
		return
	}
	set("pays", string(cmp.Or(p.Mode, program.Marginal)))
	for i := range p.Tiers {
		f.layTier(tierPrefix(prefix, i), p.Measure, &p.Tiers[i])
	}
}

func (f *Form) layTier(prefix string, of program.Measure, t *program.Tier) {
	f.set(prefix+"from", f.measured(of, t.From))
	kind, value := TierPercent, percent(t.Percent)
	switch {
	case t.OfCommission != 0:
		kind, value = TierOfCommission, percent(t.OfCommission)
	case t.Each != 0:
		kind, value = TierEach, plain(t.Each, f.Currency())
	case t.Once != 0:
		kind, value = TierOnce, plain(t.Once, f.Currency())
	}
	f.set(prefix+"kind", kind)
	f.set(prefix+"value", value)
}

// measured is a measure as it is typed: orders, or an amount.
func (f *Form) measured(of program.Measure, n int64) string {
	if of == program.MeasureCount {
		return strconv.FormatInt(n, 10)
	}
	return plain(n, f.Currency())
}

func (f *Form) measure(name string, of program.Measure) int64 {
	if of == program.MeasureCount {
		return f.whole(name)
	}
	return f.amount(name, f.Currency())
}

// blankPeriod tells that nothing was typed for a period.
func (f *Form) blankPeriod(prefix string) bool {
	return f.Get(prefix+"cap") == "" && len(f.tiersOf(prefix)) == 0
}

// tiersOf are the prefixes of the tiers for which something was typed.
func (f *Form) tiersOf(prefix string) (typed []string) {
	for n := 0; f.Values.Has(tierPrefix(prefix, n) + "from"); n++ {
		if at := tierPrefix(prefix, n); f.Get(at+"from") != "" || f.Get(at+"value") != "" {
			typed = append(typed, at)
		}
	}
	return typed
}

// Tiers are the prefixes of the tiers that a period shows, some empty ones behind those that are there.
func (f *Form) Tiers(r Row) (prefixes []string) {
	last := 0
	for n := 0; f.Values.Has(tierPrefix(r.Prefix, n) + "from"); n++ {
		if slices.Contains(f.tiersOf(r.Prefix), tierPrefix(r.Prefix, n)) {
			last = n + 1
		}
	}
	for n := range last + spareTiers {
		prefixes = append(prefixes, tierPrefix(r.Prefix, n))
	}
	return prefixes
}

// beforePeriod is the period that fields were laid out from, or an empty one.
func (f *Form) beforePeriod(prefix string) program.Period {
	if n, err := strconv.Atoi(f.Get(prefix + "at")); err == nil && n >= 0 && n < len(f.base.Periods) {
		return f.base.Periods[n]
	}
	return program.Period{}
}

// period reads the fields of a period, which is the nth of the document.
func (f *Form) period(prefix string, n int) program.Period {
	p := f.beforePeriod(prefix)
	path := fmt.Sprintf("periods[%d]", n)
	for under, name := range map[string]string{
		"": "name", ".id": "name", ".to": "to", ".measure": "measure", ".period": "length", ".mode": "pays", ".cap": "cap", ".tiers": "pays",
	} {
		f.at[path+under] = prefix + name
	}
	p.ID, p.SkipHold = f.Get(prefix+"name"), f.Is(prefix+"skip_hold")
	if p.ID == "" {
		f.note(prefix+"name", text.WrongMissing(), text.FixMissing())
	}
	p.To = same(p.To, program.Payee(f.Get(prefix+"to")), program.ToPartner)
	p.Measure, p.Period = program.Measure(f.Get(prefix+"measure")), program.Length(f.Get(prefix+"length"))
	if f.Get(prefix+"pays") == Cap {
		p.Tiers, p.Mode = nil, ""
		if p.Cap = f.measure(prefix+"cap", p.Measure); p.Cap == 0 {
			f.note(prefix+"cap", text.WrongMissing(), text.FixMissing())
		}
		return p
	}
	p.Cap, p.Mode = 0, same(p.Mode, program.Mode(f.Get(prefix+"pays")), program.Marginal)
	p.Tiers = nil
	for i, at := range f.tiersOf(prefix) {
		for _, under := range TierKinds() {
			f.at[fmt.Sprintf("%s.tiers[%d].%s", path, i, under)] = at + "value"
		}
		f.at[fmt.Sprintf("%s.tiers[%d]", path, i)], f.at[fmt.Sprintf("%s.tiers[%d].from", path, i)] = at+"value", at+"from"
		p.Tiers = append(p.Tiers, f.tier(at, p.Measure))
	}
	if len(p.Tiers) == 0 {
		f.note(tierPrefix(prefix, 0)+"from", text.WrongMissing(), text.FixMissing())
	}
	return p
}

func (f *Form) tier(prefix string, of program.Measure) program.Tier {
	t := program.Tier{From: f.measure(prefix+"from", of)}
	if f.Get(prefix+"from") == "" {
		f.note(prefix+"from", text.WrongMissing(), text.FixMissing())
	}
	if f.Get(prefix+"value") == "" {
		f.note(prefix+"value", text.WrongMissing(), text.FixMissing())
	}
	switch f.Get(prefix + "kind") {
	case TierOfCommission:
		t.OfCommission = f.rate(prefix + "value")
	case TierEach:
		t.Each = f.amount(prefix+"value", f.Currency())
	case TierOnce:
		t.Once = f.amount(prefix+"value", f.Currency())
	default:
		t.Percent = f.rate(prefix + "value")
	}
	return t
}

// Periods are those of the form.
func (f *Form) Periods() (rows []Row) {
	for n := 0; f.Values.Has(periodPrefix(n) + "measure"); n++ {
		row := Row{Prefix: periodPrefix(n)}
		p := f.beforePeriod(row.Prefix)
		if len(p.Where) > 0 || len(p.Rules) > 0 {
			written, _ := json.Marshal(struct { //nolint:errchkjson // texts and numbers alone
				Where program.Cond `json:"where,omitzero"`
				Rules []string     `json:"rules,omitempty"`
			}{p.Where, p.Rules})
			row.Kept = string(written)
		}
		rows = append(rows, row)
	}
	return rows
}

// AddPeriod adds empty fields for a bonus, or a cap.
func (f *Form) AddPeriod(pays string) {
	rows := f.Periods()
	prefix := periodPrefix(len(rows))
	stem := "bonus"
	if pays == Cap {
		stem = Cap
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(rows, func(r Row) bool { return f.Get(r.Prefix+"name") == name })
	}
	name := stem
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s-%d", stem, n)
	}
	for field, value := range map[string]string{
		"name": name, "to": string(program.ToPartner), "measure": string(program.MeasureRevenue), "length": string(program.Month), "pays": pays,
	} {
		f.set(prefix+field, value)
	}
	if pays == Cap {
		f.set(prefix+"measure", string(program.MeasureCommission))
	}
}

// Counted tells whether a period counts orders, and not amounts.
func (f *Form) Counted(r Row) bool {
	return f.Get(r.Prefix+"measure") == string(program.MeasureCount)
}
