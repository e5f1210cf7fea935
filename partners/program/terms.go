package program

import (
	"slices"
	"strconv"
	"time"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
)

// AnyCategory stands in Rates for every category without a rate of its own.
const AnyCategory = "*"

// Version is one version of a program's terms, as it is stored.
type Version struct {
	// Number counts from 1 within the program.
	Number int
	// EffectiveFrom is from when on orders are paid by it, until the next version's.
	EffectiveFrom time.Time
	// Rules numbers the rules by which orders under these terms are decided (commission.Rules). Terms that are added get at
	// least LeastRules.
	Rules    int
	Document Document
	// NoticeDays is for how many days before EffectiveFrom the terms are known, and for how many after it partners who have not
	// accepted them earn by those before.
	NoticeDays int
	// NeedsAcceptance says that the terms bind a partner who has accepted them.
	NeedsAcceptance bool
	// Unreadable is why the document cannot be read whole; nil where it can.
	Unreadable error
}

const maxNotice = 366 // days

// Ahead is how long before they take effect terms are added at the least.
const Ahead = time.Minute

// Check gives what is wrong with a version that is to be added now, each field by its path.
func (v *Version) Check(now time.Time) []fault.Field {
	return append(v.Document.Check(""), v.CheckTimes(now)...)
}

// CheckTimes is Check of all but the document.
func (v *Version) CheckTimes(now time.Time) (bad []fault.Field) {
	if v.EffectiveFrom.Sub(now) < Ahead {
		bad = append(bad, fault.Wrong("effective_from", text.WrongTooSoon(), text.FixTooSoon()))
	} else if v.EffectiveFrom.Sub(now) < time.Duration(v.NoticeDays)*24*time.Hour {
		bad = append(bad, fault.Wrong("effective_from", text.WrongNotice(int64(v.NoticeDays)), text.FixNotice()))
	}
	if v.NoticeDays < 0 || v.NoticeDays > maxNotice {
		bad = append(bad, fault.Wrong("notice_days", text.WrongRange(strconv.Itoa(maxNotice), "0", strconv.Itoa(v.NoticeDays)), text.FixGiveAtMost(strconv.Itoa(maxNotice))))
	}
	return bad
}

// LeastRules is the least number of the rules by which orders under the version are decided from now on. It is 1 where the first
// engines decide the same, who know plain documents alone, and Rules3 for all else. Under 2 stand such terms of before.
func (v *Version) LeastRules() int {
	if v.Document.Plain() && v.Document.Attribution.Touches.Click.Window > 0 && !v.NeedsAcceptance {
		return 1
	}
	return Rules3
}

// Rules3 are the rules of terms that are more than plain: docs/reference/terms.md says in what they differ from those of 2.
const Rules3 = 3

// InForce finds the version that is in force at t among those of a program, which ascend by EffectiveFrom, and the one that
// follows it; nil where there is none.
func InForce(versions []Version, t time.Time) (is, next *Version) {
	n, found := slices.BinarySearchFunc(versions, t, func(v Version, t time.Time) int { return v.EffectiveFrom.Compare(t) })
	if found {
		n++
	}
	if n > 0 {
		is = &versions[n-1]
	}
	if n < len(versions) {
		next = &versions[n]
	}
	return is, next
}

// Terms are a version of a program's terms as orders are decided by it: its document, compiled.
type Terms struct {
	// Version counts from 1 within the program.
	Version       int
	EffectiveFrom time.Time
	// Rules numbers the rules by which orders under these terms are decided (commission.Rules), Schema the form of the document.
	Rules, Schema int
	// Unreadable is why the document cannot be read whole, so that no order is decided by these terms; nil where it can.
	Unreadable error
	// Window is how old a click may be at the order's time; exactly this old still earns. Whole seconds.
	Window time.Duration
	// Hold is how long a commission stays pending from the order's time on. Whole seconds.
	Hold time.Duration
	// NetworkFee is the network's share: a rate of the commission, owed by the merchant on top of it.
	NetworkFee money.Rate
	// NoticeDays and NeedsAcceptance are as Version has them: see InForceFor.
	NoticeDays      int
	NeedsAcceptance bool
	// Document is what was compiled.
	Document *Document
	// Rates are all that a plain document pays; none of another.
	Rates Rates
	// Scheme is the document as orders are decided by it; nil where it is plain, so that Rates and Window say it all.
	Scheme *Scheme
}

// Terms compiles the document.
func (v *Version) Terms() Terms {
	d := v.Document
	click, _ := d.Attribution.Touches.Of(TouchClick)
	t := Terms{
		Version: v.Number, EffectiveFrom: v.EffectiveFrom, Rules: v.Rules, Schema: d.Schema, Unreadable: v.Unreadable,
		Window: time.Duration(click.Window), Hold: time.Duration(d.Hold), NetworkFee: d.NetworkFee, Document: &d,
		NoticeDays: v.NoticeDays, NeedsAcceptance: v.NeedsAcceptance,
	}
	if d.Plain() {
		t.Rates = ratesOf(d.Rules)
	} else {
		t.Scheme = schemeOf(v.Number, &d)
	}
	return t
}

// NoticeEnds is until when partners who have not accepted the terms earn by those before.
func (t *Terms) NoticeEnds() time.Time {
	return t.EffectiveFrom.Add(time.Duration(t.NoticeDays) * 24 * time.Hour)
}

// Whole gives the terms with a Scheme whatever their document says, for a partner with rules of their own.
func (t *Terms) Whole() *Terms {
	if t.Scheme != nil {
		return t
	}
	whole := *t
	whole.Rates, whole.Scheme = nil, schemeOf(t.Version, t.Document)
	return &whole
}

// Rate is what a partner of a kind earns on goods of a category, and the category of the row that says so: the
// category itself, AnyCategory, or "" when no row applies and the rate is 0.
func (t *Terms) Rate(kind Kind, category string) (rate money.Rate, matched string) {
	rates := t.Rates[kind]
	if rate, ok := rates[category]; ok {
		return rate, category
	}
	if rate, ok := rates[AnyCategory]; ok {
		return rate, AnyCategory
	}
	return 0, ""
}
