package program

import (
	"slices"
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
	// Rules numbers the rules by which orders under these terms are decided (commission.Rules); 0 stands for 1 in terms
	// that are still to be added.
	Rules    int
	Document Document
	// Unreadable is why the document cannot be read whole; nil where it can.
	Unreadable error
}

// Ahead is how long before they take effect terms are added at the least.
const Ahead = time.Minute

// Check gives what is wrong with a version that is to be added now, each field by its path.
func (v *Version) Check(now time.Time) []fault.Field {
	bad := v.Document.Check("")
	if v.EffectiveFrom.Sub(now) < Ahead {
		bad = append(bad, fault.Wrong("effective_from", text.WrongTooSoon(), text.FixTooSoon()))
	}
	return bad
}

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
	Rates      Rates
}

// Terms compiles the document.
func (v *Version) Terms() Terms {
	d := &v.Document
	return Terms{
		Version: v.Number, EffectiveFrom: v.EffectiveFrom, Rules: v.Rules, Schema: d.Schema, Unreadable: v.Unreadable,
		Window: time.Duration(d.Attribution.Touches.Click.Window), Hold: time.Duration(d.Hold), NetworkFee: d.NetworkFee,
		Rates: ratesOf(d.Rules),
	}
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
