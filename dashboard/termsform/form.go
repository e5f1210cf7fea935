// Package termsform is the form in which a merchant writes the terms of the usual programs (step 5 in the life of a click goes by
// them). A form is laid out from a document and gives one back: what it does not show stays as it was, to the letter.
package termsform

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
)

// Form is a document as fields, each a text by its name. A checkbox is there or not; a length of time is a count and, under the
// same name and "_unit", a unit of program.Duration. Rules are numbered fields such as "rule0_percent", periods such as
// "period0_id", and their tiers such as "period0_tier1_from".
type Form struct {
	Values url.Values
	// Problems are named by a field, or by the path in the document of what no field shows.
	Problems []fault.Field

	base program.Document
	// currency is what amounts are in where the document names none.
	currency string
	// at gives for a path in the document the field that shows it.
	at map[string]string
}

// Base is the field that holds the document that the form was laid out from.
const Base = "laid_out"

// Of lays out a document. Amounts are in the document's currency, else in the one given.
func Of(d *program.Document, currency string) *Form {
	f := &Form{Values: url.Values{}, base: *d, currency: currency}
	f.set(Base, string(d.JSON()))
	f.set("currency", d.Currency)
	f.set("zone", d.Zone)
	f.setSpan("hold", d.Hold)
	if d.RefundWindow != 0 {
		f.setSpan("refund_window", d.RefundWindow)
	}
	if listable(d.Goals) {
		f.set("goals", strings.Join(d.Goals, ", "))
	}
	f.layAttribution(&d.Attribution)
	for name, is := range map[string]bool{
		"base_tax": d.Base.Tax, "base_shipping": d.Base.Shipping, "base_shipping_tax": d.Base.ShippingTax, "base_before_discount": d.Base.BeforeDiscount,
	} {
		f.check(name, is)
	}
	for i := range d.Rules {
		f.layRule(i, &d.Rules[i])
	}
	for i := range d.Periods {
		f.layPeriod(i, &d.Periods[i])
	}
	return f
}

func (f *Form) layAttribution(a *program.Attribution) {
	if a.Touches.Click != nil && a.Touches.Click.Window != 0 {
		f.setSpan("window", a.Touches.Click.Window)
	}
	f.check("click", a.Touches.Click != nil)
	f.check("coupon", a.Touches.Coupon != nil)
	f.check("code", a.Touches.Code != nil)
	f.check("exclusive_codes", a.ExclusiveCodes)
	f.set("model", string(cmp.Or(a.Model, program.ModelLast)))
	if a.HalfLife != 0 {
		f.setSpan("half_life", a.HalfLife)
	}
	switch b := a.Bind; {
	case b == nil:
		f.set("bind", BindNot)
	case b.Life:
		f.set("bind", BindLife)
	default:
		f.set("bind", BindMonths)
		f.set("bind_months", strconv.Itoa(b.Months))
	}
	f.check("bind_new", a.Bind != nil && a.Bind.Only == program.OnlyNew)
}

// What the field "bind" can be.
const (
	BindNot    = ""
	BindMonths = "months"
	BindLife   = "life"
)

// Read takes what was sent of a form. The error is that of a document to lay out that is none.
func Read(sent url.Values, currency string) (*Form, error) {
	f := &Form{Values: sent, currency: currency}
	var err error
	f.base, err = program.ParseDocument([]byte(sent.Get(Base)))
	return f, err //nolint:wrapcheck // it says what is wrong with the document
}

// Document is what the form says. What is wrong is noted at the fields; Locate notes what a check finds.
func (f *Form) Document() program.Document {
	d := f.base
	f.at = map[string]string{"currency": "currency", "zone": "zone", "hold": "hold", "refund_window": "refund_window", "goals": "goals"}
	d.Currency, d.Zone = f.Get("currency"), f.Get("zone")
	f.span("hold", &d.Hold, true)
	f.span("refund_window", &d.RefundWindow, false)
	if listable(d.Goals) {
		d.Goals = f.list("goals")
	}
	d.Attribution = f.attribution()
	d.Base = program.Base{Tax: f.Is("base_tax"), Shipping: f.Is("base_shipping"), ShippingTax: f.Is("base_shipping_tax"), BeforeDiscount: f.Is("base_before_discount")}
	d.Rules = []program.Rule{}
	for n := range f.Rules() {
		if prefix := rulePrefix(n); f.Get(prefix+"at") != "" || !f.blankRule(prefix) {
			d.Rules = append(d.Rules, f.rule(prefix, len(d.Rules)))
		}
	}
	d.Periods = nil
	for n := range f.Periods() {
		if prefix := periodPrefix(n); f.Get(prefix+"at") != "" || !f.blankPeriod(prefix) {
			d.Periods = append(d.Periods, f.period(prefix, len(d.Periods)))
		}
	}
	return d
}

func (f *Form) attribution() program.Attribution {
	a := f.base.Attribution
	for path, name := range map[string]string{
		"model": "model", "half_life": "half_life", "bind": "bind", "bind.months": "bind_months", "touches.click.window": "window", "touches.click": "window", "touches": "click",
	} {
		f.at["attribution."+path] = name
	}
	earns := func(name string, was *program.Touching) *program.Touching {
		if !f.Is(name) {
			return nil
		}
		if was == nil {
			return &program.Touching{}
		}
		same := *was
		return &same
	}
	a.Touches.Click, a.Touches.Coupon, a.Touches.Code = earns("click", a.Touches.Click), earns("coupon", a.Touches.Coupon), earns("code", a.Touches.Code)
	window := program.Duration(0)
	if f.span("window", &window, false); a.Touches.Click != nil {
		a.Touches.Click.Window = window
	}
	a.ExclusiveCodes = f.Is("exclusive_codes")
	a.Model = same(a.Model, program.Model(f.Get("model")), program.ModelLast)
	if a.HalfLife = 0; a.Model == program.ModelDecay || f.Get("half_life") != "" {
		f.span("half_life", &a.HalfLife, a.Model == program.ModelDecay)
	}
	a.Bind = nil
	switch f.Get("bind") {
	case BindMonths:
		a.Bind = &program.Bind{Months: int(f.whole("bind_months"))}
	case BindLife:
		a.Bind = &program.Bind{Life: true}
	}
	if a.Bind != nil && f.Is("bind_new") {
		a.Bind.Only = program.OnlyNew
	}
	return a
}

// same keeps a value as it was written where it still says the same: a default may be written or left out.
func same[T cmp.Ordered](was, is, otherwise T) T {
	if cmp.Or(was, otherwise) == cmp.Or(is, otherwise) {
		return was
	}
	return is
}

// Locate notes what is wrong with the document that Document gave: at the field that shows it, if one does, and once a field. Where
// a field could not be read the document says what nobody typed, so nothing more is told of it.
func (f *Form) Locate(bad []fault.Field) {
	if len(f.Problems) > 0 {
		return
	}
	for _, p := range bad {
		if name, shown := f.field(p.Name); shown {
			p.Name = name
		}
		if f.Wrong(p.Name) == nil {
			f.Problems = append(f.Problems, p)
		}
	}
}

// field finds the field that shows a path, or what is around it within a rule, a period or an attribute.
func (f *Form) field(path string) (name string, shown bool) {
	for path != "" {
		if name, shown = f.at[path]; shown {
			return name, true
		}
		cut := strings.LastIndexAny(path, ".[")
		path = path[:max(cut, 0)]
	}
	return "", false
}

// Wrong is what is wrong with a field, or nil.
func (f *Form) Wrong(name string) *fault.Field {
	i := slices.IndexFunc(f.Problems, func(p fault.Field) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Problems[i]
}

// Unshown are the problems that no field shows.
func (f *Form) Unshown() (list []fault.Field) {
	fields := map[string]bool{}
	for _, name := range f.at {
		fields[name] = true
	}
	for _, p := range f.Problems {
		if !fields[p.Name] {
			list = append(list, p)
		}
	}
	return list
}

// TextOnly are the paths of what the document says and the form does not show.
func (f *Form) TextOnly() (paths []string) {
	d := &f.base
	add := func(is bool, path string) {
		if is {
			paths = append(paths, path)
		}
	}
	add(d.Extension != 0, "extension")
	add(!listable(d.Goals), "goals")
	add(len(d.Signs) > 0, "signs")
	add(len(d.Zero) > 0, "zero")
	add(len(d.Overrides) > 0, "overrides")
	add(d.Attribution.Path, "attribution.path")
	add(d.Attribution.Touches.Soft != nil, "attribution.touches.soft")
	add(d.Attribution.Touches.Impression != nil, "attribution.touches.impression")
	if click := d.Attribution.Touches.Click; click != nil {
		add(click.MinAge != 0, "attribution.touches.click.min_age")
		add(click.Cart != 0, "attribution.touches.click.cart")
	}
	for i := range d.Rules {
		for _, t := range kept(d.Rules[i].Where) {
			add(true, fmt.Sprintf("rules[%d].where.%s%s", i, t.Key, t.Meta))
		}
	}
	for i := range d.Periods {
		add(len(d.Periods[i].Where) > 0, fmt.Sprintf("periods[%d].where", i))
		add(len(d.Periods[i].Rules) > 0, fmt.Sprintf("periods[%d].rules", i))
	}
	return paths
}

// Get is what a field says, without blanks at its ends.
func (f *Form) Get(name string) string { return norm.NFC.String(strings.TrimSpace(f.Values.Get(name))) }

// Is tells whether a checkbox is ticked.
func (f *Form) Is(name string) bool { return f.Values.Get(name) != "" }

// Currency is what the form's amounts are in.
func (f *Form) Currency() string {
	if typed := f.Get("currency"); money.Known(typed) {
		return typed
	}
	return f.currency
}

func (f *Form) set(name, value string) { f.Values.Set(name, value) }

func (f *Form) check(name string, is bool) {
	if is {
		f.set(name, "yes")
	}
}

func (f *Form) setSpan(name string, d program.Duration) {
	if written, err := d.MarshalText(); err == nil { // else a part of a second, which no document holds
		f.set(name, string(written[:len(written)-1]))
		f.set(name+"_unit", string(written[len(written)-1:]))
	}
}

func (f *Form) note(name string, problem, fix text.Message) {
	if f.Wrong(name) == nil {
		f.Problems = append(f.Problems, fault.Wrong(name, problem, fix))
	}
}

// span reads a length of time, which may be left out where it need not be there.
func (f *Form) span(name string, to *program.Duration, needed bool) {
	count := f.Get(name)
	*to = 0
	if count == "" && !needed {
		return
	}
	if err := to.UnmarshalText([]byte(count + f.Get(name+"_unit"))); err != nil {
		f.note(name, text.WrongWholeNumber(count), text.FixWholeNumber())
	}
	if *to == 0 && !needed {
		f.note(name, text.WrongZero(), text.FixLeaveOut())
	}
}

// whole reads a whole number.
func (f *Form) whole(name string) int64 {
	n, err := strconv.ParseInt(f.Get(name), 10, 64)
	if err != nil || n < 0 {
		f.note(name, text.WrongWholeNumber(f.Get(name)), text.FixWholeNumber())
		return 0
	}
	return n
}

// amount reads an amount in a unit; nothing is 0.
func (f *Form) amount(name, unit string) int64 {
	typed := f.Get(name)
	if typed == "" {
		return 0
	}
	minor, err := money.Parse(typed, unit)
	if err != nil || minor <= 0 {
		f.note(name, text.WrongAmountTyped(typed), text.FixAmountTyped(plain(1250, unit)))
		return 0
	}
	return minor
}

// rate reads a percentage; nothing is 0.
func (f *Form) rate(name string) money.Rate {
	typed := f.Get(name)
	if typed == "" {
		return 0
	}
	r, err := money.ParseRate(typed)
	if err != nil {
		f.note(name, text.WrongPercentage(typed), text.FixPercentage())
	}
	return r
}

// list reads texts between commas.
func (f *Form) list(name string) (values []string) {
	for part := range strings.SplitSeq(f.Get(name), ",") {
		if part = strings.TrimSpace(part); part != "" {
			values = append(values, part)
		}
	}
	return values
}

// listable tells whether a list of texts can be written between commas.
func listable(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, ",") })
}

// plain is an amount as it is typed: "1234.50".
func plain(minor int64, unit string) string {
	return strings.ReplaceAll(strings.TrimPrefix(money.Format(minor, unit), unit+" "), ",", "")
}

func percent(r money.Rate) string { return strings.TrimSuffix(r.String(), " %") }
