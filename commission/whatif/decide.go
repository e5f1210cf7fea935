package whatif

import (
	"cmp"
	"io"
	"slices"
	"time"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/partners/program"
)

// Decided is what facts come to.
type Decided struct {
	// AsOf is up to when holds have ended.
	AsOf time.Time
	// Orders are in the order in which the facts name them first.
	Orders []commission.Decision
	// Periods are by rule, partner and span.
	Periods []Period
}

// Period is what the orders come to in one period.
type Period struct {
	Of         period.Key
	Settlement period.Settlement
}

// Decide decides the facts, lines of JSON, under versions of terms that ascend by EffectiveFrom. asOf is up to when holds end,
// zero for the latest time in the facts. What is wrong with a line is a *LineError.
func Decide(terms []program.Terms, facts io.Reader, asOf time.Time) (Decided, error) {
	lines, err := read(facts)
	if err != nil {
		return Decided{}, err
	}
	w, err := build(terms, lines)
	if err != nil {
		return Decided{}, err
	}
	if asOf.IsZero() {
		asOf = w.latest
	}
	if err := w.decide(); err != nil {
		return Decided{}, err
	}
	d := Decided{AsOf: asOf}
	for _, o := range w.orders {
		d.Orders = append(d.Orders, o.decided)
	}
	d.Periods, err = settle(d.Orders)
	return d, err
}

// decide folds the orders, then the customers, and then decides.
func (w *world) decide() error {
	customers := map[string][]commission.Seen{}
	for i, o := range w.orders {
		o.said.Claims = w.claims[o.id]
		var err error
		if o.folded, err = commission.Fold(o.events, o.said); err != nil {
			return err
		}
		o.evidence = w.evidence(&o.folded)
		if seen, named := commission.SeenBy(&o.folded, &o.evidence); named {
			seen.No = int64(i)
			customers[o.folded.Customer] = append(customers[o.folded.Customer], seen)
		}
	}
	w.useClicks()
	for customer, seen := range customers {
		commission.FoldCustomer(seen, w.binds[customer])
		for _, s := range seen {
			o := w.orders[s.No]
			o.evidence.Customer = s.View
			bound := commission.Candidate{Kind: commission.TouchCustomer, Code: customer}
			switch b := s.View.Bound; {
			case b != nil:
				bound.Link = w.linkTerms(b.Link, b.Partner, o.folded.At)
			case s.View.Ended:
				bound.Refused = commission.BindEnded
			default:
				continue
			}
			o.evidence.Candidates = append(o.evidence.Candidates, bound)
		}
	}
	for _, o := range w.orders {
		var err error
		if o.decided, err = commission.Decide(o.folded, o.evidence); err != nil {
			return err
		}
	}
	return nil
}

// useClicks works out how the click id of each order had been used with it.
func (w *world) useClicks() {
	clicks := map[string][]commission.Used{}
	for i, o := range w.orders {
		if used, names := commission.UsedBy(&o.folded); names {
			used.No = int64(i)
			clicks[o.folded.ClickID] = append(clicks[o.folded.ClickID], used)
		}
	}
	for _, orders := range clicks {
		commission.FoldClick(orders)
		for _, used := range orders {
			w.orders[used.No].evidence.Use = used.Use
		}
	}
}

// evidence is what there is to know about an order beside its customer.
func (w *world) evidence(o *commission.Order) commission.Evidence {
	e := commission.Evidence{Rates: w.ratesBefore(o.At)}
	for _, v := range o.Visits() {
		c := commission.Candidate{Kind: v.TouchKind(), Click: commission.Click{ID: v.ClickID, Refused: commission.MalformedClickID}, Marks: v.Marks}
		if click := w.clicks[v.ClickID]; click != nil {
			of := program.PartnerID(click.Partner)
			c.Click = commission.Click{ID: v.ClickID, Link: program.LinkID(of), At: click.At.UTC().Truncate(time.Millisecond)}
			c.Link = w.linkTerms(c.Click.Link, of, o.At)
			c.Marks |= click.marks
			if click.Own {
				c.Refused = commission.SelfReferral
			}
		}
		e.Candidates = append(e.Candidates, c)
	}
	if !o.Placed() {
		return e
	}
	if w.creditCodes(o.At) {
		for _, written := range o.Coupons {
			e.Candidates = w.withCode(e.Candidates, commission.TouchCoupon, written, o.At)
		}
		if o.ReferralCode != "" {
			e.Candidates = w.withCode(e.Candidates, commission.TouchCode, o.ReferralCode, o.At)
		}
	}
	for i := range o.Claims {
		c := &o.Claims[i]
		e.Candidates = append(e.Candidates, commission.Candidate{
			Kind: commission.TouchClaim, Code: c.ID, Refused: c.Refused(o), Link: w.linkTerms(0, c.Partner, o.At),
		})
	}
	return e
}

// creditCodes reports whether the terms in force credit coupons or codes.
func (w *world) creditCodes(at time.Time) bool {
	terms, _ := program.InForceFor(w.terms, &program.Enrolment{}, at)
	if terms == nil {
		return false
	}
	t := &terms.Document.Attribution.Touches
	return t.Coupon != nil || t.Code != nil
}

// withCode appends a candidate for the partner who has a code.
func (w *world) withCode(to []commission.Candidate, kind commission.TouchKind, written string, at time.Time) []commission.Candidate {
	var latest *couponEntry
	for i := range w.coupons {
		c := &w.coupons[i]
		if program.NormalCode(c.Code) == program.NormalCode(written) && !c.From.After(at) && (latest == nil || !c.From.Before(latest.From)) {
			latest = c
		}
	}
	if latest == nil {
		return append(to, commission.Candidate{Kind: kind, Code: written, Refused: commission.UnknownCoupon})
	}
	if latest.Partner == 0 {
		return to
	}
	c := commission.Candidate{
		Kind: commission.TouchCoupon, Code: written, Exclusive: latest.Exclusive,
		Link: w.linkTerms(0, program.PartnerID(latest.Partner), at),
	}
	if latest.Kind == string(program.ReferralCode) {
		c.Kind = commission.TouchCode
	}
	if !latest.Until.IsZero() && !at.Before(latest.Until) {
		c.Refused = commission.CouponNotInForce
	}
	return append(to, c)
}

// linkTerms is what is known of a partner as of a time.
func (w *world) linkTerms(link program.LinkID, of program.PartnerID, at time.Time) program.LinkTerms {
	p := w.partners[of]
	found := program.LinkTerms{Link: link, Merchant: theMerchant, Program: theProgram, Partner: of, Kind: p.kind, Currencies: w.currencies}
	var err error
	found.Facts = p.facts
	found.Enrolment, err = program.EnrolmentAt(p.facts, at)
	if up := w.partners[found.Enrolment.Recruiter]; up != nil {
		above, _ := program.EnrolmentAt(up.facts, at)
		if above.Recruiter != of {
			found.Enrolment.Recruiter2 = w.approved(above.Recruiter, at)
		}
		found.Enrolment.Recruiter = w.approved(found.Enrolment.Recruiter, at)
	}
	terms, accepted := program.InForceFor(w.terms, &found.Enrolment, at)
	if terms == nil {
		return found
	}
	found.Terms, found.NotAccepted = terms, !accepted
	if found.Enrolment.Own != nil {
		found.Terms = terms.Whole()
	}
	if err != nil {
		unreadable := *found.Terms
		unreadable.Unreadable = err
		found.Terms = &unreadable
	}
	return found
}

// approved is the partner who recruited somebody, or nobody where that partner is not in the program at the time.
func (w *world) approved(recruiter program.PartnerID, at time.Time) program.PartnerID {
	if up := w.partners[recruiter]; up == nil || program.StateAt(up.facts, at) != program.Approved {
		return 0
	}
	return recruiter
}

// ratesBefore are the last rates published before a time.
func (w *world) ratesBefore(at time.Time) []commission.Rate {
	day := at.UTC().Truncate(24 * time.Hour)
	var rates []commission.Rate
	for _, r := range slices.Backward(w.rates) {
		same := func(o commission.Rate) bool { return o.Base == r.Base && o.Quote == r.Quote }
		if r.Day.After(day) {
			continue
		}
		if i := slices.IndexFunc(rates, same); i < 0 {
			rates = append(rates, r)
		} else if r.Day.After(rates[i].Day) {
			rates[i] = r
		}
	}
	return rates
}

// settle adds up what decisions contribute to periods and settles each.
func settle(orders []commission.Decision) (periods []Period, err error) {
	book := period.Book{Keeps: func(*period.Key) bool { return true }}
	for i := range orders {
		book.Add(&orders[i])
	}
	err = book.Settle(func(of period.Key, _ period.Rules, s *period.Settlement) { periods = append(periods, Period{of, *s}) })
	slices.SortStableFunc(periods, func(a, b Period) int {
		return cmp.Or(cmp.Compare(a.Of.Rule, b.Of.Rule), cmp.Compare(a.Of.Partner, b.Of.Partner), cmp.Compare(a.Of.Span, b.Of.Span))
	})
	return periods, err
}
