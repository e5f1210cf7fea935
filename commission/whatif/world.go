package whatif

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
)

// One merchant with one program is all that a file is about.
const (
	theMerchant program.MerchantID = 1
	theProgram  program.ProgramID  = 1
)

// world is what the facts say, apart from orders.
type world struct {
	terms    []program.Terms
	partners map[program.PartnerID]*partner
	clicks   map[string]*clickEntry
	coupons  []couponEntry
	rates    []commission.Rate
	binds    map[string][]commission.Bind  // by customer
	claims   map[string][]commission.Claim // by order
	orders   []*order
	byID     map[string]*order
	tests    map[string]bool // orders that are trials, by id: a refund may be received before its order
	latest   time.Time       // of all times in the file
	// currencies are those of the orders: the program takes them all.
	currencies []string
}

type partner struct {
	kind  program.Kind
	facts []program.Fact // ascending by From and No
}

// order is one order with its events in the order of the file.
type order struct {
	id     string
	events []*event.Event
	said   commission.Said
	folded commission.Order
	// evidence is complete once the customer fold is.
	evidence commission.Evidence
	decided  commission.Decision
}

// build makes a world of lines.
func build(terms []program.Terms, lines []entry) (*world, error) {
	w := &world{
		terms: terms, partners: map[program.PartnerID]*partner{}, clicks: map[string]*clickEntry{},
		binds: map[string][]commission.Bind{}, byID: map[string]*order{}, tests: map[string]bool{},
		claims: map[string][]commission.Claim{},
	}
	for i := range lines { // whom and what orders name may stand behind them
		if p := w.declare(&lines[i]); p != nil {
			p.Line = lines[i].line
			return nil, p
		}
	}
	for i := range lines {
		if p := w.recruiter(&lines[i]); p != nil {
			p.Line = lines[i].line
			return nil, p
		}
	}
	for i := range lines {
		if p := w.report(&lines[i]); p != nil {
			p.Line = lines[i].line
			return nil, p
		}
	}
	for i := range lines { // a refund may be received before its order
		if p := w.refunded(lines[i].Refund); p != nil {
			p.Line = lines[i].line
			return nil, p
		}
	}
	return w, nil
}

// recruiter refuses a line that names a recruiter who is no partner of the file.
func (w *world) recruiter(e *entry) *LineError {
	field, id := "partner.recruiter", int64(0)
	switch {
	case e.Partner != nil:
		id = e.Partner.Recruiter
	case e.Fact != nil && e.Fact.Kind == string(program.FactRecruiter) && !e.Fact.Ends:
		field = "fact.value"
		id, _ = strconv.ParseInt(e.Fact.Value, 10, 64)
	}
	if id != 0 && w.partners[program.PartnerID(id)] == nil {
		return wrong(field, text.WrongNotInFile(strconv.FormatInt(id, 10)), text.FixAddLine())
	}
	return nil
}

// declare takes in a line about anything but an order.
func (w *world) declare(e *entry) *LineError {
	switch {
	case e.Partner != nil:
		return w.declarePartner(e.Partner)
	case e.Fact != nil:
		w.saw(e.Fact.From)
		return w.enter("fact", program.PartnerID(e.Fact.Partner), program.Fact{
			Kind: program.FactKind(e.Fact.Kind), Value: e.Fact.Value, Ends: e.Fact.Ends, From: e.Fact.From,
		})
	case e.Coupon != nil:
		return w.declareCoupon(e.Coupon)
	case e.Rate != nil:
		return w.declareRate(e.Rate)
	case e.Click != nil:
		return w.declareClick(e.Click)
	case e.Bind != nil:
		return w.declareBind(e.Bind)
	case e.Order != nil && e.Order.Test:
		w.tests[e.Order.ID] = true
	}
	return nil
}

// saw remembers the latest time.
func (w *world) saw(at time.Time) {
	if at.After(w.latest) {
		w.latest = at
	}
}

func (w *world) declarePartner(p *partnerEntry) *LineError {
	id := program.PartnerID(p.ID)
	kind := program.Kind(cmp.Or(p.Kind, string(program.Site)))
	switch {
	case id < 1:
		return wrong("partner.id", text.WrongBelowOne(strconv.FormatInt(p.ID, 10)), text.FixOnePartner())
	case w.partners[id] != nil:
		return wrong("partner.id", text.WrongThereTwice(), text.FixLeaveOneOut())
	case !slices.Contains(program.Kinds(), kind):
		return choice("partner.kind", kind, program.Kinds())
	}
	w.partners[id] = &partner{kind: kind}
	facts := make([]program.Fact, 0, len(p.Groups)+len(p.Properties)+1)
	for _, g := range p.Groups {
		facts = append(facts, program.Fact{Kind: program.FactGroup, Value: g})
	}
	for _, v := range p.Properties {
		facts = append(facts, program.Fact{Kind: program.FactProperty, Value: v})
	}
	if p.Recruiter == p.ID {
		return wrong("partner.recruiter", text.WrongOwnRecruiter(), text.FixAnother())
	}
	if p.Recruiter != 0 {
		facts = append(facts, program.Fact{Kind: program.FactRecruiter, Value: strconv.FormatInt(p.Recruiter, 10)})
	}
	for _, f := range facts {
		if problem := w.enter("partner", id, f); problem != nil {
			return problem
		}
	}
	return nil
}

// enter adds a fact of a partner, under the latest terms.
func (w *world) enter(member string, id program.PartnerID, f program.Fact) *LineError {
	of := w.partners[id]
	if of == nil {
		return noPartner(member, int64(id))
	}
	if bad := f.Check(id, w.terms[len(w.terms)-1].Document); len(bad) > 0 {
		return within(member, bad[0])
	}
	if slices.ContainsFunc(of.facts, func(o program.Fact) bool { return contradict(&o, &f) }) {
		return wrong(member+".from", text.WrongThereTwice(), text.FixLeaveOneOut())
	}
	f.No = int64(len(of.facts) + 1)
	f.Read()
	if f.Kind == program.FactState {
		f.From = f.From.Truncate(time.Millisecond)
		if !f.MayFollow(of.facts) {
			return wrong(member+".value", text.WrongStep(), text.FixStep())
		}
	}
	of.facts = append(of.facts, f)
	slices.SortStableFunc(of.facts, func(a, b program.Fact) int { return a.From.Compare(b.From) })
	return nil
}

// contradict reports whether two facts of one moment cannot both hold.
func contradict(a, b *program.Fact) bool {
	switch {
	case a.Kind != b.Kind || !a.From.Equal(b.From):
		return false
	case a.Kind == program.FactRecruiter || a.Kind == program.FactOwn || a.Kind == program.FactState:
		return a.Value != b.Value || a.Ends != b.Ends
	}
	return a.Value == b.Value && a.Ends != b.Ends
}

func (w *world) declareCoupon(c *couponEntry) *LineError {
	w.saw(c.From)
	kind := program.CouponKind(cmp.Or(c.Kind, string(program.CouponCode)))
	switch {
	case program.NormalCode(c.Code) == "":
		return wrong("coupon.code", text.WrongMissing(), text.FixNoCode())
	case !slices.Contains(program.CouponKinds(), kind):
		return choice("coupon.kind", kind, program.CouponKinds())
	case c.Partner != 0 && w.partners[program.PartnerID(c.Partner)] == nil:
		return noPartner("coupon", c.Partner)
	case !c.Until.IsZero() && !c.Until.After(c.From):
		return wrong("coupon.until", text.WrongUntil(), text.FixUntil())
	case slices.ContainsFunc(w.coupons, func(o couponEntry) bool {
		return o.From.Equal(c.From) && program.NormalCode(o.Code) == program.NormalCode(c.Code)
	}):
		return wrong("coupon.code", text.WrongThereTwice(), text.FixLeaveOneOut())
	}
	c.Kind = string(kind)
	w.coupons = append(w.coupons, *c)
	return nil
}

func (w *world) declareRate(r *rateEntry) *LineError {
	day, err := time.Parse(time.DateOnly, r.Day)
	switch {
	case err != nil:
		return wrong("rate.day", text.WrongDay(strconv.Quote(r.Day)), text.FixDay())
	case !money.Known(r.Base):
		return wrong("rate.base", text.WrongCurrency(strconv.Quote(r.Base)), text.FixCurrency())
	case !money.Known(r.Quote):
		return wrong("rate.quote", text.WrongCurrency(strconv.Quote(r.Quote)), text.FixCurrency())
	case r.Num < 1:
		return wrong("rate.num", text.WrongBelowOne(strconv.FormatInt(r.Num, 10)), text.FixAnother())
	case r.Den < 1:
		return wrong("rate.den", text.WrongBelowOne(strconv.FormatInt(r.Den, 10)), text.FixAnother())
	}
	if slices.ContainsFunc(w.rates, func(o commission.Rate) bool {
		return o.Day.Equal(day) && (o.Base == r.Base && o.Quote == r.Quote || o.Base == r.Quote && o.Quote == r.Base)
	}) {
		return wrong("rate.day", text.WrongThereTwice(), text.FixLeaveOneOut())
	}
	w.saw(day)
	w.rates = append(w.rates, commission.Rate{Base: r.Base, Quote: r.Quote, Day: day, Source: "file", Num: r.Num, Den: r.Den})
	return nil
}

// kindsOfClick are the visits that a line may be.
func kindsOfClick() map[string]event.TouchKind {
	return map[string]event.TouchKind{"": event.PathClick, "click": event.PathClick, "soft": event.PathSoft, "impression": event.PathImpression}
}

// marksOfClick are the marks by their names.
func marksOfClick() map[string]uint32 {
	return map[string]uint32{"bot": event.MarkBot, "duplicate": event.MarkDuplicate, "embedded": event.MarkEmbedded}
}

func (w *world) declareClick(c *clickEntry) *LineError {
	w.saw(c.At)
	_, known := kindsOfClick()[c.Kind]
	switch {
	case c.ID == "":
		return wrong("click.id", text.WrongMissing(), text.FixGiveID())
	case w.clicks[c.ID] != nil:
		return wrong("click.id", text.WrongThereTwice(), text.FixLeaveOneOut())
	case !known:
		return choice("click.kind", c.Kind, []string{"click", "soft", "impression"})
	case c.At.IsZero():
		return wrong("click.at", text.WrongMissing(), text.FixMoment())
	case w.partners[program.PartnerID(c.Partner)] == nil:
		return noPartner("click", c.Partner)
	}
	for _, m := range c.Marks {
		if marksOfClick()[m] == 0 {
			return choice("click.marks", m, []string{"bot", "duplicate", "embedded"})
		}
		c.marks |= marksOfClick()[m]
	}
	w.clicks[c.ID] = c
	return nil
}

func (w *world) declareBind(b *bindEntry) *LineError {
	w.saw(b.From)
	switch {
	case b.Customer == "":
		return wrong("bind.customer", text.WrongMissing(), text.FixCustomer())
	case b.From.IsZero():
		return wrong("bind.from", text.WrongMissing(), text.FixMoment())
	case b.Partner != 0 && w.partners[program.PartnerID(b.Partner)] == nil:
		return noPartner("bind", b.Partner)
	}
	list := w.binds[b.Customer]
	if slices.ContainsFunc(list, func(o commission.Bind) bool { return o.From.Equal(b.From) }) {
		return wrong("bind.from", text.WrongThereTwice(), text.FixLeaveOneOut())
	}
	bind := commission.Bind{From: b.From, No: int64(len(list) + 1), To: commission.Offer{Program: theProgram, Partner: program.PartnerID(b.Partner)}}
	if b.Partner != 0 {
		terms, _ := program.InForceFor(w.terms, &program.Enrolment{}, b.From)
		if terms == nil || terms.Bind() == nil {
			return wrong("bind.from", text.WrongBindTerms(), text.FixBindTerms())
		}
		bind.To.Months = terms.Bind().Months
	}
	w.binds[b.Customer] = append(list, bind)
	return nil
}

func noPartner(member string, id int64) *LineError {
	return wrong(member+".partner", text.WrongNotAbove(strconv.FormatInt(id, 10)), text.FixAddAbove())
}

// choice refuses a value that is none of some.
func choice[T ~string](field string, value T, from []T) *LineError {
	names := make([]string, len(from))
	for i := range from {
		names[i] = string(from[i])
	}
	return wrong(field, text.WrongChoice(strconv.Quote(string(value))), text.FixChoice(strings.Join(names, ", ")))
}

// within is what is wrong with a field of a member.
func within(member string, f fault.Field) *LineError {
	f.Name = member + "." + f.Name
	return &LineError{Field: f}
}
