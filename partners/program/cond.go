package program

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Cond is what a rule is about: all of its tests must hold, and one without any always does. In a document it is an object
// whose keys Key lists. Its tests ascend by Key and Meta, with no two alike; ParseDocument and All see to it.
type Cond []Test

// Test is what a condition asks of one property.
type Test struct {
	Key Key
	// Meta names the order's own field that KeyMeta is about.
	Meta string
	// Texts are the values, one of which it must have.
	Texts []string
	// Numbers are those of links and partners, one of which it must have.
	Numbers []int64
	// Range is where a number must be.
	Range Range
	// Conds are those of KeyAny, of which one must hold, or the one of KeyNot, which must not.
	Conds []Cond
}

// Range holds the whole numbers from Min to Max, both included; nil is no bound.
type Range struct {
	Min *int64 `json:"min,omitempty"`
	Max *int64 `json:"max,omitempty"`
}

func (r Range) holds(n int64) bool {
	return (r.Min == nil || n >= *r.Min) && (r.Max == nil || n <= *r.Max)
}

// Key is a property that a condition can test.
type Key uint8

// The keys, in the order in which conditions are written.
const (
	KeyPartnerKind Key = iota
	KeyCategory
	KeyGoal
	KeySKU
	KeyPart
	KeyCustomer
	KeyMonthsBound
	KeyCountry
	KeyDevice
	KeyCoupon
	KeyLink
	KeyOrderAmount
	KeyPartner
	KeyPartnerGroup
	KeyProperty
	KeyMeta
	KeyAny
	KeyNot
)

// partnerKeys are the keys of which two partners who share an order may have other values.
func partnerKeys() []Key {
	return []Key{KeyPartnerKind, KeyMonthsBound, KeyLink, KeyPartner, KeyPartnerGroup, KeyProperty}
}

// shape is what the value of a key looks like.
type shape uint8

const (
	texts   shape = iota // a text, or a list of which one must be
	numbers              // a number, or a list of which one must be
	ranged               // {"min": 1, "max": 2}
	conds                // a list of conditions
	cond                 // a condition
)

// keyRow says what a key is called, and what its value looks like.
type keyRow struct {
	name  string
	shape shape
}

// metaPrefix is followed by the name of the order's own field.
const metaPrefix = "meta."

// keyRows are those of all keys, by Key.
func keyRows() [KeyNot + 1]keyRow {
	return [...]keyRow{
		KeyPartnerKind:  {"partner_kind", texts},
		KeyCategory:     {"category", texts},
		KeyGoal:         {"goal", texts},
		KeySKU:          {"sku", texts},
		KeyPart:         {"part", texts},
		KeyCustomer:     {"customer", texts},
		KeyMonthsBound:  {"months_bound", ranged},
		KeyCountry:      {"country", texts},
		KeyDevice:       {"device", texts},
		KeyCoupon:       {"coupon", texts},
		KeyLink:         {"link", numbers},
		KeyOrderAmount:  {"order_amount", ranged},
		KeyPartner:      {"partner", numbers},
		KeyPartnerGroup: {"partner_group", texts},
		KeyProperty:     {"property", texts},
		KeyMeta:         {"meta.", texts},
		KeyAny:          {"any", conds},
		KeyNot:          {"not", cond},
	}
}

// String is the key as documents write it.
func (k Key) String() string { return keyRows()[k].name }

// keyOf finds a key by its name.
func keyOf(name string) (key Key, meta string, known bool) {
	if meta, is := strings.CutPrefix(name, metaPrefix); is {
		return KeyMeta, meta, meta != ""
	}
	rows := keyRows()
	i := slices.IndexFunc(rows[:], func(r keyRow) bool { return r.name == name })
	return Key(max(i, 0)), "", i >= 0
}

// All is the condition that all of these tests hold.
func All(tests ...Test) Cond {
	slices.SortStableFunc(tests, func(a, b Test) int { return cmp.Or(cmp.Compare(a.Key, b.Key), strings.Compare(a.Meta, b.Meta)) })
	return tests
}

// MarshalJSON writes the tests by Key. One text or number is written without a list.
func (c Cond) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i := range c {
		t := &c[i]
		b.WriteByte("{,"[min(i, 1)])
		b.Write(written(t.Key.String() + t.Meta))
		b.WriteByte(':')
		b.Write(written(t.value()))
	}
	if len(c) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// value is what stands behind the key.
func (t *Test) value() any {
	switch keyRows()[t.Key].shape {
	case numbers:
		if len(t.Numbers) == 1 {
			return t.Numbers[0]
		}
		return t.Numbers
	case ranged:
		return t.Range
	case conds:
		return t.Conds
	case cond:
		return t.Conds[0]
	default:
		if len(t.Texts) == 1 {
			return t.Texts[0]
		}
		return t.Texts
	}
}

// Facts are what conditions look at: one line of an order as one partner would be paid for it.
type Facts struct {
	// Goal is "" for a sale.
	Goal, SKU, Category, Part string
	// Customer is new, returning, lapsed, or "" where that is not known.
	Customer string
	// MonthsBound is for how many whole months the customer has been bound to the partner, -1 for one who is not.
	MonthsBound     int
	Country, Device string
	// Coupons are as they were reported, without blanks at their ends.
	Coupons []string
	Link    LinkID
	// OrderAmount is the sum of the order's lines before refunds, in minor units of the document's currency, or of the order's
	// where the document has none.
	OrderAmount int64
	Partner     PartnerID
	PartnerKind Kind
	// Groups and Properties are those of the partner as of the order's time.
	Groups, Properties []string
	Metadata           map[string]string
}

// goalSale is what conditions call the goal of a sale.
const goalSale = "sale"

// Holds tells whether all tests hold for the line.
func (c Cond) Holds(f *Facts) bool {
	for i := range c {
		if !c[i].holds(f) {
			return false
		}
	}
	return true
}

func (t *Test) holds(f *Facts) bool {
	switch t.Key {
	case KeyMonthsBound:
		return f.MonthsBound >= 0 && t.Range.holds(int64(f.MonthsBound))
	case KeyOrderAmount:
		return t.Range.holds(f.OrderAmount)
	case KeyLink:
		return slices.Contains(t.Numbers, int64(f.Link))
	case KeyPartner:
		return slices.Contains(t.Numbers, int64(f.Partner))
	case KeyPartnerGroup:
		return slices.ContainsFunc(f.Groups, t.names)
	case KeyProperty:
		return slices.ContainsFunc(f.Properties, t.names)
	case KeyCoupon:
		return slices.ContainsFunc(f.Coupons, t.namesCoupon)
	case KeyAny:
		return slices.ContainsFunc(t.Conds, func(c Cond) bool { return c.Holds(f) })
	case KeyNot:
		return !t.Conds[0].Holds(f)
	default:
		return t.names(t.text(f))
	}
}

// text is the one text that a test is about.
func (t *Test) text(f *Facts) string {
	switch t.Key {
	case KeyPartnerKind:
		return string(f.PartnerKind)
	case KeyCategory:
		return f.Category
	case KeyGoal:
		return cmp.Or(f.Goal, goalSale)
	case KeySKU:
		return f.SKU
	case KeyPart:
		return f.Part
	case KeyCustomer:
		return f.Customer
	case KeyCountry:
		return f.Country
	case KeyDevice:
		return f.Device
	default: // KeyMeta
		return f.Metadata[t.Meta]
	}
}

func (t *Test) names(value string) bool { return slices.Contains(t.Texts, value) }

func (t *Test) namesCoupon(code string) bool {
	return slices.ContainsFunc(t.Texts, func(named string) bool { return strings.EqualFold(named, strings.TrimSpace(code)) })
}

// Tests tells whether the condition asks for a property, at any depth.
func (c Cond) Tests(key Key) bool {
	return slices.ContainsFunc(c, func(t Test) bool {
		return t.Key == key || slices.ContainsFunc(t.Conds, func(c Cond) bool { return c.Tests(key) })
	})
}

// Closeness is how closely a condition describes the lines that it is about; of two rules that match a line the closer one
// pays.
type Closeness struct {
	// Named is 2 for a condition that names the sku, 1 for one that names category or part, else 0.
	Named int
	// Further counts the properties that it tests beside that. Of "any" the least close alternative counts; "not" names
	// nothing, and counts what it tests.
	Further int
}

// Compare is above 0 where c is closer than d, below where it is less close.
func (c Closeness) Compare(d Closeness) int {
	return cmp.Or(cmp.Compare(c.Named, d.Named), cmp.Compare(c.Further, d.Further))
}

// Closeness gives that of a condition.
func (c Cond) Closeness() Closeness {
	named, tests := c.closeness()
	if named > 0 {
		tests--
	}
	return Closeness{named, tests}
}

// closeness gives what is named, and all tests, that of the name among them.
func (c Cond) closeness() (named, tests int) {
	for i := range c {
		n, more := c[i].closeness()
		named, tests = max(named, n), tests+more
	}
	return named, tests
}

func (t *Test) closeness() (named, tests int) {
	switch t.Key {
	case KeySKU:
		return 2, 1
	case KeyCategory, KeyPart:
		return 1, 1
	case KeyNot:
		_, tests = t.Conds[0].closeness()
		return 0, tests
	case KeyAny:
		least := slices.MinFunc(t.Conds, func(a, b Cond) int { return a.Closeness().Compare(b.Closeness()) })
		return least.closeness()
	default:
		return 0, 1
	}
}
