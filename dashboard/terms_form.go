package dashboard

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"tributary/dashboard/termsform"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
)

// termsForm is new terms as a person writes them: as fields, or as the text of a document. What was typed is in Values, whichever
// it is.
type termsForm struct {
	*termsform.Form

	// Text says that the document is written as text.
	Text bool
}

const formTime = "2006-01-02T15:04"

// termsFormOf is the form that holds terms, from the first midnight that their notice allows.
func termsFormOf(v *program.Version, currency string, now time.Time) termsForm {
	f := termsForm{Form: termsform.Of(&v.Document, currency)}
	notice := time.Duration(v.NoticeDays) * 24 * time.Hour
	f.Values.Set("from", now.Add(max(notice, program.Ahead)).Truncate(24*time.Hour).Add(24*time.Hour).Format(formTime))
	f.Values.Set("notice_days", strconv.Itoa(v.NoticeDays))
	if v.NeedsAcceptance {
		f.Values.Set("needs_acceptance", "yes")
	}
	return f
}

// readTermsForm reads what was sent; fields that say nothing of what they were laid out from are of the terms before.
func readTermsForm(sent url.Values, before *program.Document, currency string) (termsForm, error) {
	if sent.Get("as") == "text" {
		return termsForm{Form: &termsform.Form{Values: sent}, Text: true}, nil
	}
	if !sent.Has(termsform.Base) {
		sent.Set(termsform.Base, string(before.JSON()))
	}
	f, err := termsform.Read(sent, currency)
	if err != nil {
		return termsForm{}, fault.Coded(fault.Malformed, "unreadable", err)
	}
	return termsForm{Form: f}, nil
}

// effective is when the terms are to take effect; otherwise where that cannot be read.
func effective(sent url.Values, otherwise time.Time) time.Time {
	if t, err := time.Parse(formTime, sent.Get("from")); err == nil {
		return t
	}
	return otherwise
}

// document is what the form says of the document, with the network's fee of the terms before. It is not ok where a field or the
// text is wrong, which is noted.
func (f *termsForm) document(before *program.Document) (d program.Document, ok bool) {
	if !f.Text {
		d = f.Document()
	} else if written, err := program.ParseDocument([]byte(f.Values.Get("document"))); err != nil {
		f.Problems = append(f.Problems, fault.Of(err).Fields...)
	} else {
		d = written
	}
	if d.NetworkFee = before.NetworkFee; len(f.Problems) == 0 {
		f.Locate(d.Check(""))
	}
	return d, len(f.Problems) == 0
}

// version is the document with all that is beside it. What is wrong is noted.
func (f *termsForm) version(d program.Document, now time.Time) program.Version {
	v := program.Version{Document: d, NeedsAcceptance: f.Is("needs_acceptance"), EffectiveFrom: effective(f.Values, time.Time{})}
	typed, wrong := f.Get("notice_days"), map[string]bool{}
	if typed != "" {
		var err error
		if v.NoticeDays, err = strconv.Atoi(typed); err != nil {
			f.note("notice_days", text.WrongWholeNumber(typed), text.FixWholeNumber())
			wrong["notice_days"] = true
		}
	}
	if v.EffectiveFrom.IsZero() {
		f.note("from", text.WrongTime(f.Values.Get("from")), text.FixTime())
		wrong["effective_from"] = true
	}
	for _, p := range v.CheckTimes(now) {
		if !wrong[p.Name] {
			p.Name = strings.TrimPrefix(p.Name, "effective_")
			f.Problems = append(f.Problems, p)
		}
	}
	return v
}

func (f *termsForm) note(name string, problem, fix text.Message) {
	f.Problems = append(f.Problems, fault.Wrong(name, problem, fix))
}

// ofText are the problems of a document that is written as text, by their paths.
func (f *termsForm) ofText() (list []fault.Field) {
	for _, p := range f.Problems {
		if p.Name != "from" && p.Name != "notice_days" {
			list = append(list, p)
		}
	}
	return list
}

// astray are the problems that no field of the form shows.
func (f *termsForm) astray() (list []fault.Field) {
	for _, p := range f.Unshown() {
		if p.Name != "from" && p.Name != "notice_days" && !strings.HasPrefix(p.Name, examplePrefix) {
			list = append(list, p)
		}
	}
	return list
}

// change does what a button of the form asks: rows come and go. It tells whether there is such a button.
func (f *termsForm) change(do string) bool {
	switch what, which, _ := strings.Cut(do, " "); {
	case f.Text:
		return false
	case what == "drop":
		f.Drop(which)
	case what != "add":
		return false
	case which == termsform.Cap, which == string(program.Marginal):
		f.AddPeriod(which)
	default:
		f.AddRule(program.Payee(which))
	}
	return true
}
