package dashboard

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
)

// termsForm is new terms as a person writes them.
type termsForm struct {
	From         string // in UTC, as an input of type datetime-local has it
	Window, Hold spanField
	Rates        []rateField // the first is of all categories that have none of their own
	// Document is the whole document as text, in place of all but From.
	Document string
	problems []fault.Field
}

// spanField is a length of time: a whole number and the unit of a program.Duration.
type spanField struct{ Count, Unit string }

// rateField is what goods of a category earn, in percent; nothing where it is empty.
type rateField struct{ Category, Site, Member string }

const (
	formTime  = "2006-01-02T15:04"
	spareRows = 3
)

// termsFormOf is the form that holds terms, from the next midnight on.
func termsFormOf(v *program.Version, now time.Time) termsForm {
	terms := v.Terms()
	f := termsForm{
		From:   now.Add(program.Ahead).Truncate(24 * time.Hour).Add(24 * time.Hour).Format(formTime),
		Window: spanFieldOf(program.Duration(terms.Window)), Hold: spanFieldOf(v.Document.Hold),
		Rates: []rateField{{}},
	}
	for _, category := range categoriesOf(&terms) {
		row := rateField{Category: category, Site: percentOf(&terms, program.Site, category), Member: percentOf(&terms, program.Member, category)}
		if category == program.AnyCategory {
			row.Category = ""
			f.Rates[0] = row
			continue
		}
		f.Rates = append(f.Rates, row)
	}
	return f
}

func spanFieldOf(d program.Duration) spanField {
	written, err := d.MarshalText()
	if err != nil { // a part of a second, which no document holds
		return spanField{}
	}
	return spanField{Count: string(written[:len(written)-1]), Unit: string(written[len(written)-1:])}
}

// percentOf is the rate that terms name for a category itself.
func percentOf(t *program.Terms, kind program.Kind, category string) string {
	rate, named := t.Rates[kind][category]
	if !named {
		return ""
	}
	return strings.TrimSuffix(rate.String(), " %")
}

// readTermsForm reads what was sent.
func readTermsForm(sent url.Values) termsForm {
	f := termsForm{
		From:   sent.Get("from"),
		Window: spanField{sent.Get("window"), sent.Get("window_unit")}, Hold: spanField{sent.Get("hold"), sent.Get("hold_unit")},
		Document: strings.TrimSpace(sent.Get("document")),
	}
	for n := 0; sent.Has("site" + strconv.Itoa(n)); n++ {
		row := strconv.Itoa(n)
		f.Rates = append(f.Rates, rateField{
			Category: norm.NFC.String(strings.TrimSpace(sent.Get("category" + row))),
			Site:     strings.TrimSpace(sent.Get("site" + row)), Member: strings.TrimSpace(sent.Get("member" + row)),
		})
	}
	return f
}

// effective is when the terms are to take effect; otherwise where that cannot be read.
func (f *termsForm) effective(otherwise time.Time) time.Time {
	if t, err := time.Parse(formTime, f.From); err == nil {
		return t
	}
	return otherwise
}

// version is what the form says, on top of a document whose other fields stay. What is wrong is noted at the form's fields.
func (f *termsForm) version(base program.Document, now time.Time) program.Version {
	v := program.Version{Document: base}
	fields := map[string]string{"effective_from": "from", "attribution.touches.click.window": "window", "hold": "hold"}
	var err error
	if v.EffectiveFrom, err = time.Parse(formTime, f.From); err != nil {
		f.note("from", text.WrongTime(f.From), text.FixTime())
	}
	if f.Document != "" || !base.Plain() {
		f.written(&v, now)
		return v
	}
	click := &program.Touching{}
	v.Document.Attribution.Touches.Click = click
	if f.span("window", f.Window, &click.Window); len(f.problems) == 0 && click.Window == 0 {
		f.note("window", text.WrongWindow(f.Window.Count+f.Window.Unit), text.FixWindow())
	}
	f.span("hold", f.Hold, &v.Document.Hold)
	v.Document.Rules = f.rules(fields)
	noted := map[string]bool{}
	for _, p := range f.problems {
		noted[p.Name] = true
	}
	for _, p := range v.Check(now) {
		if name, ok := fields[p.Name]; ok {
			p.Name = name
		}
		if !noted[p.Name] {
			f.problems = append(f.problems, p)
		}
	}
	return v
}

// written takes the document as it was written. What is wrong is noted by its path.
func (f *termsForm) written(v *program.Version, now time.Time) {
	fee, noted := v.Document.NetworkFee, len(f.problems) > 0
	document, err := program.ParseDocument([]byte(f.Document))
	if err != nil {
		f.problems = append(f.problems, fault.Of(err).Fields...)
		return
	}
	v.Document, v.Document.NetworkFee = document, fee
	for _, p := range v.Check(now) {
		if p.Name == "effective_from" {
			p.Name = "from"
		}
		if p.Name != "from" || !noted {
			f.problems = append(f.problems, p)
		}
	}
}

// rules gives a rule for each percentage, and in fields the field of the form for each path of a rule.
func (f *termsForm) rules(fields map[string]string) []program.Rule {
	rules := []program.Rule{}
	for n, row := range f.Rates {
		at := strconv.Itoa(n)
		if n > 0 && row.Category == "" && row.Site+row.Member != "" {
			f.note("category"+at, text.WrongNoCategory(), text.FixNoCategory())
		}
		if row.Category != "" && row.Site+row.Member == "" {
			f.note("site"+at, text.WrongNoRate(), text.FixNoRate())
		}
		for _, cell := range []struct {
			kind    program.Kind
			percent string
		}{{program.Site, row.Site}, {program.Member, row.Member}} {
			if cell.percent == "" {
				continue
			}
			name := string(cell.kind) + at
			rate, err := money.ParseRate(cell.percent)
			if err != nil {
				f.note(name, text.WrongPercentage(cell.percent), text.FixPercentage())
			}
			path := fmt.Sprintf("rules[%d].", len(rules))
			fields[path+"pay.percent"], fields[path+"where"], fields[path+"where.category"] = name, "category"+at, "category"+at
			rules = append(rules, program.PercentRule(cell.kind, row.Category, rate))
		}
	}
	return rules
}

func (f *termsForm) span(name string, s spanField, to *program.Duration) {
	if err := to.UnmarshalText([]byte(s.Count + s.Unit)); err != nil {
		f.note(name, text.WrongWholeNumber(s.Count), text.FixWholeNumber())
	}
}

func (f *termsForm) note(name string, problem, fix text.Message) {
	f.problems = append(f.problems, fault.Wrong(name, problem, fix))
}

// wrong is what is wrong with a field, or nil.
func (f *termsForm) wrong(name string) *fault.Field {
	for i := range f.problems {
		if f.problems[i].Name == name {
			return &f.problems[i]
		}
	}
	return nil
}

// withSpare adds empty rows for more categories.
func (f *termsForm) withSpare() {
	for len(f.Rates) < 1+spareRows || f.Rates[len(f.Rates)-spareRows] != (rateField{}) {
		f.Rates = append(f.Rates, rateField{})
	}
}
