package program

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
)

// Bounds of a document.
const (
	// MaxDocument is how many bytes a document may have.
	MaxDocument = 64 << 10
	maxRules    = 200 // of all scopes together
	maxPeriods  = 50  // of all scopes together
	maxText     = 128 // bytes, as an order's texts may have
	maxMonths   = 1200
	// maxEach bounds what is paid for each piece, click or order of a period, so that it times the pieces a line may have
	// (10^12) fits an int64; a thousand impressions have a thousand times as much.
	maxEach  = 9_000_000
	maxMille = 1000 * maxEach
)

// Check gives what is wrong with a document that is to be added, each field's path behind prefix.
func (d *Document) Check(prefix string) []fault.Field {
	bad := d.CheckWhole(prefix)
	if len(bad) == 0 { // else it may hold what cannot be written
		bad = d.unbuilt(prefix, notProduced())
	}
	return bad
}

// CheckWhole is Check for whoever decides facts that are given, as `tributary decide` does, clicks and impressions among them:
// it takes what nothing in the network produces or acts on yet.
func (d *Document) CheckWhole(prefix string) []fault.Field {
	c := &checker{prefix: prefix, document: d}
	if d.Schema != Schema {
		c.note("schema", text.WrongIs(strconv.Itoa(d.Schema)), text.FixSchema())
	}
	if d.Currency != "" && !money.Known(d.Currency) {
		c.note("currency", text.WrongNotInForce(strconv.Quote(d.Currency)), text.FixCapitalLetters())
	}
	if _, err := location(d.Zone); err != nil {
		c.note("zone", text.WrongZone(d.Zone), text.FixZone())
	}
	c.attribution(&d.Attribution)
	c.length("hold", d.Hold, false)
	c.length("extension", d.Extension, false)
	c.length("refund_window", d.RefundWindow, false)
	c.rate("network_fee", d.NetworkFee)
	c.goals(d.Goals)
	c.signs(d.Signs)
	ids := map[string]bool{}
	for i, z := range d.Zero {
		at := fmt.Sprintf("zero[%d]", i)
		c.id(at, z.ID, ids)
		c.cond(at+".where", z.Where)
		c.name(at+".code", z.Code)
	}
	c.scope("", d.Rules, d.Periods, nil)
	c.overrides(d.Overrides)
	c.number("rules", int64(c.rulesSeen), maxRules)
	c.number("periods", int64(c.periodsSeen), maxPeriods)
	if len(c.bad) > 0 { // it may hold what cannot be written
		return c.bad
	}
	if size := len(d.JSON()); size > MaxDocument {
		c.note("document", text.WrongLabelSize(int64(size)), text.FixGiveAtMost(strconv.Itoa(MaxDocument)))
	}
	return c.bad
}

// Check gives what is wrong with the own rules of a partner under a document, each field's path behind prefix.
func (o *Override) Check(prefix string, of *Document) []fault.Field {
	c := &checker{prefix: prefix, document: of}
	if o.Group != "" || o.Partner != 0 {
		c.note("partner", text.WrongOwnSelector(), text.FixLeaveOut())
	}
	c.override("", o)
	c.number("rules", int64(c.rulesSeen), maxRules)
	c.number("periods", int64(c.periodsSeen), maxPeriods)
	if len(c.bad) > 0 { // it may hold what cannot be written
		return c.bad
	}
	return o.unbuilt(prefix, notProduced())
}

// checker collects what is wrong with a document.
type checker struct {
	prefix      string
	document    *Document
	rulesSeen   int
	periodsSeen int
	bad         []fault.Field
}

func (c *checker) note(name string, problem, fix text.Message) {
	c.bad = append(c.bad, fault.Wrong(c.prefix+name, problem, fix))
}

func (c *checker) attribution(a *Attribution) {
	choice(c, "attribution.model", a.Model, Models())
	c.length("attribution.half_life", a.HalfLife, false)
	if (a.Model == ModelDecay) != (a.HalfLife > 0) {
		c.note("attribution.half_life", text.WrongHalfLife(), text.FixHalfLife())
	}
	if b := a.Bind; b != nil {
		if (b.Months != 0) == b.Life {
			c.note("attribution.bind", text.WrongBind(), text.FixBind())
		}
		if b.Months < 0 || b.Months > maxMonths {
			c.note("attribution.bind.months", text.WrongRange(strconv.Itoa(maxMonths), "1", strconv.Itoa(b.Months)), text.FixGiveAtMost(strconv.Itoa(maxMonths)))
		}
		choice(c, "attribution.bind.only", b.Only, []string{OnlyNew})
	}
	t := &a.Touches
	c.touching(TouchClick, t.Click)
	c.touching(TouchCoupon, t.Coupon)
	c.touching(TouchReferral, t.Code)
	c.touching(TouchSoft, t.Soft)
	c.touching(TouchImpression, t.Impression)
}

// touching checks the bounds of a kind of touch.
func (c *checker) touching(kind string, t *Touching) {
	if t == nil {
		return
	}
	may := boundsOf(kind)
	at := "attribution.touches." + kind
	if c.length(at+".window", t.Window, true); may == nil && *t != (Touching{}) {
		c.note(at, text.WrongNoWindow(), text.FixNoWindow())
		return
	}
	c.length(at+".min_age", t.MinAge, false)
	if c.length(at+".cart", t.Cart, false); t.Cart != 0 && !slices.Contains(may, "cart") {
		c.note(at+".cart", text.WrongNoCart(), text.FixLeaveOut())
	}
	if bounds, _ := c.document.Attribution.Touches.Of(kind); t.Window >= 0 && t.MinAge > bounds.Window {
		c.note(at+".min_age", text.WrongMinAge(), text.FixMinAge())
	}
}

// overrides checks those of groups and partners, each of whom may have one.
func (c *checker) overrides(list []Override) {
	seen := map[string]int{}
	for i := range list {
		o, at := &list[i], fmt.Sprintf("overrides[%d].", i)
		if (o.Group == "") == (o.Partner == 0) {
			c.note(at+"group", text.WrongSelector(), text.FixOneOrOther())
			continue
		}
		if o.Partner < 0 {
			c.note(at+"partner", text.WrongBelowOne(strconv.FormatInt(int64(o.Partner), 10)), text.FixOnePartner())
		} else if o.Group != "" {
			c.text(at+"group", o.Group)
		}
		who := o.Group + "/" + strconv.FormatInt(int64(o.Partner), 10)
		if first, twice := seen[who]; twice {
			c.note(at+"group", text.WrongSameOverride(strconv.Itoa(first)), text.FixLeaveOneOut())
		}
		seen[who] = i
		c.override(at, o)
	}
}

func (c *checker) override(at string, o *Override) {
	if o.Hold != nil {
		c.length(at+"hold", *o.Hold, false)
	}
	if o.Hold == nil && len(o.Rules) == 0 && o.Periods == nil {
		c.note(at+"rules", text.WrongOverridesNothing(), text.FixOverridesNothing())
	}
	c.scope(at, o.Rules, o.Periods, c.document.Rules)
}

// scope checks the rules and periods of one scope. Periods may name the rules of the scope, and those behind it.
func (c *checker) scope(at string, rules []Rule, periods []Period, behind []Rule) {
	c.rules(at, rules)
	pays := func(to Payee, id string) bool {
		of := func(r Rule) bool { return cmp.Or(r.To, ToPartner) == to && (id == "" || r.ID == id) }
		return slices.ContainsFunc(rules, of) || slices.ContainsFunc(behind, of)
	}
	ids := map[string]bool{}
	c.periodsSeen += len(periods)
	for i := range periods {
		p, at := &periods[i], fmt.Sprintf("%speriods[%d]", at, i)
		c.id(at, p.ID, ids)
		c.period(at, p)
		to := cmp.Or(p.To, ToPartner)
		if p.Cap > 0 && to != ToPartner && !slices.ContainsFunc(append(c.document.scopes(), rules), func(rules []Rule) bool {
			return slices.ContainsFunc(rules, func(r Rule) bool { return r.To == to })
		}) {
			c.note(at+".cap", text.WrongOfNothing("rules[].to"), text.FixLeaveOut())
		}
		for n, name := range p.Rules {
			if name == "" || !pays(to, name) {
				c.note(fmt.Sprintf("%s.rules[%d]", at, n), text.WrongNoRuleNamed(name), text.FixNoRuleNamed())
			}
		}
	}
}

// id checks a name that must be one of its list's own.
func (c *checker) id(at, id string, taken map[string]bool) {
	if id == "" {
		return
	}
	if c.name(at+".id", id); taken[id] {
		c.note(at+".id", text.WrongTwice(), text.FixOnce())
	}
	taken[id] = true
}

// goals checks those that a document lists beside the built-in ones: as orders can name them, and none twice.
func (c *checker) goals(list []string) {
	c.number("goals", int64(len(list)), maxPeriods)
	for i, goal := range list {
		at := fmt.Sprintf("goals[%d]", i)
		switch c.text(at, goal); {
		case len(goal) > event.MaxGoal:
			c.note(at, text.WrongLabelSize(int64(len(goal))), text.FixCategorySize(event.MaxGoal))
		case slices.Contains(builtInGoals(), goal):
			c.note(at, text.WrongBuiltInGoal(goal), text.FixLeaveOut())
		case slices.Contains(list[:i], goal):
			c.note(at, text.WrongTwice(), text.FixOnce())
		}
	}
}

// signs checks the list of signs, none of which may be there twice.
func (c *checker) signs(list []Sign) {
	for i, sign := range list {
		at := fmt.Sprintf("signs[%d]", i)
		if choice(c, at, cmp.Or(sign, "?"), Signs()); slices.Contains(list[:i], sign) {
			c.note(at, text.WrongTwice(), text.FixOnce())
		}
	}
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

// name checks what a document calls something by.
func (c *checker) name(at, name string) {
	if name == "" || len(name) > 40 || strings.Trim(name, nameCharacters) != "" {
		c.note(at, text.WrongName(name), text.FixNameCharacters())
	}
}

func (c *checker) rate(name string, r money.Rate) {
	if r < 0 || r > money.One {
		c.note(name, text.WrongRate(r.String()), text.FixRate())
	}
}

// number checks a number that may be 0 or left out.
func (c *checker) number(name string, n, most int64) {
	switch {
	case n < 0:
		c.note(name, text.WrongBelowZero(strconv.FormatInt(n, 10)), text.FixLeaveOut())
	case n > most:
		c.note(name, text.WrongMoreThan(strconv.FormatInt(most, 10), strconv.FormatInt(n, 10)), text.FixGiveAtMost(strconv.FormatInt(most, 10)))
	}
}

// length checks a length of time. Only a Document made by a program has a negative one or a fraction of a second.
func (c *checker) length(name string, d Duration, window bool) {
	switch {
	case d >= 0 && !d.fraction() && d <= maxLength:
	case d > maxLength:
		c.note(name, text.WrongMoreThan(maxLengthText, time.Duration(d).String()), text.FixGiveAtMost(maxLengthText))
	case window:
		c.note(name, text.WrongWindow(time.Duration(d).String()), text.FixWindow())
	default:
		c.note(name, text.WrongHold(time.Duration(d).String()), text.FixHold())
	}
}

// maxLength keeps the end of a length of time within the years that a record can hold.
const (
	maxLength     = 36525 * aDay
	maxLengthText = `"36525d"`
)

// choice checks one of a list, or nothing.
func choice[T ~string](c *checker, name string, value T, from []T) {
	if value == "" || slices.Contains(from, value) {
		return
	}
	quoted := make([]string, len(from))
	for i, one := range from {
		quoted[i] = strconv.Quote(string(one))
	}
	c.note(name, text.WrongChoice(strconv.Quote(string(value))), text.FixChoice(strings.Join(quoted, ", ")))
}

// text holds a text against what an order can name.
func (c *checker) text(at, value string) {
	switch {
	case value == "" || len(value) > maxText:
		c.note(at, text.WrongLabelSize(int64(len(value))), text.FixCategorySize(maxText))
	case strings.TrimSpace(value) != value || strings.ContainsFunc(value, unseen):
		c.note(at, text.WrongCategoryBlank(value), text.FixCategoryBlank())
	case !norm.NFC.IsNormalString(value):
		c.note(at, text.WrongCategoryNfc(value), text.FixCategoryNfc())
	}
}

// unseen tells of characters that show nothing. A blank is seen between others.
func unseen(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }
