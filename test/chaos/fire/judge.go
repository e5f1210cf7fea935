package fire

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"tributary/test/chaos/model"
)

// Finding is something that should not be.
type Finding struct {
	// Check names what does not hold.
	Check string `json:"check"`
	// What names the thing and the difference.
	What string `json:"what"`
}

// String is the finding on one line.
func (f Finding) String() string { return f.Check + ": " + f.What }

// The checks, each with what it means.
const (
	ClickMissing    = "click missing"    // acknowledged as stored, and not in ClickHouse
	ClickDoubled    = "click doubled"    // in ClickHouse more than once
	ClickInvented   = "click invented"   // in ClickHouse, and never sent, or with another id than the visitor was given
	ReportMissing   = "report missing"   // acknowledged, and not in ClickHouse
	ReportDoubled   = "report doubled"   // in ClickHouse more than once
	ReportInvented  = "report invented"  // in ClickHouse more often than it was sent
	FactMissing     = "fact missing"     // acknowledged, and not in the books
	FactDoubled     = "fact doubled"     // in the books twice
	FactInvented    = "fact invented"    // in the books, and never sent or refused
	ReceiptWrong    = "receipt wrong"    // an order counts as received when no copy of its report was
	DisputeWrong    = "dispute wrong"    // not every other content of an order is kept for the merchant
	RefusedWrongly  = "refused wrongly"  // a sound request was refused
	AcceptedWrongly = "accepted wrongly" // an unsound one was not
	OrderWrong      = "order wrong"      // the order or its commission is not what the model says
	BalanceWrong    = "balance wrong"    // an account is not what the model says
	PeriodWrong     = "period wrong"     // what a partner's month comes to is not what the model says
	DecisionWrong   = "decision wrong"   // the ledger events in ClickHouse do not add up to the commission
	ActMissing      = "act missing"      // what somebody has done on a page does not stand, or nobody has taken it
	ActWrong        = "act wrong"        // what stands of it is not what was done and answered
	PathWrong       = "path wrong"       // a visitor's cookie, a click's row or an order says something else of the clicks before
	SumWrong        = "sum wrong"        // what the pages sum up is not what the model says
	Alarm           = "alarm"            // something asks for a person
)

// most bounds how many findings of each check are listed.
const most = 20

// judgement is one comparison.
type judgement struct {
	evidence *Evidence
	world    *model.World
	visits   map[string]*Attempt // clicks by their ids
	books    *model.Books
	reports  map[Fact]*told
	order    []Fact // of first attempts
	found    map[string]int
	findings []Finding
}

// told is what was sent about one fact.
type told struct {
	first                  *Attempt // of the content that stands if anything does
	acknowledged, possible int      // attempts that were, and that may have been stored
	contents               map[string]bool
	copies                 []*Attempt // those that may have been stored, of the first content
}

func (j *judgement) findf(check, format string, args ...any) {
	if j.found[check]++; j.found[check] <= most {
		j.findings = append(j.findings, Finding{check, fmt.Sprintf(format, args...)})
	}
}

// Judge compares the journal with the evidence. The network must have come to rest before it was gathered.
func Judge(world *model.World, attempts []*Attempt, evidence *Evidence) []Finding {
	j := &judgement{
		evidence: evidence, world: world, visits: map[string]*Attempt{}, books: model.NewBooks(world), reports: map[Fact]*told{}, found: map[string]int{},
	}
	for _, a := range attempts {
		if a.Link != 0 && a.Outcome.ID != "" {
			j.visits[a.Outcome.ID] = a
		}
	}
	sent := map[int64]bool{}
	for _, a := range attempts {
		switch {
		case a.Link != 0:
			sent[a.N] = true
			j.click(a)
			j.cookie(a)
		case a.Past != nil:
			j.past(a.Past)
		case a.Act == nil:
			j.report(a)
		}
	}
	j.acts(attempts)
	for n, ids := range evidence.Clicks {
		if !sent[n] {
			j.findf(ClickInvented, "%d rows of attempt %d, which was never made", len(ids), n)
		}
	}
	for _, f := range j.order {
		j.fact(f, j.reports[f])
	}
	for f := range evidence.Booked {
		if j.reports[f] == nil {
			j.findf(FactInvented, "%+v", f)
		}
	}
	for f, n := range evidence.Rows {
		if j.reports[f] == nil {
			j.findf(ReportInvented, "%d rows of %+v", n, f)
		}
	}
	j.compareBooks()
	for _, a := range evidence.Alarms {
		j.findf(Alarm, "%s", a)
	}
	for check, n := range j.found {
		if n > most {
			j.findings = append(j.findings, Finding{check, fmt.Sprintf("and %d more", n-most)})
		}
	}
	return j.findings
}

// click judges one click.
func (j *judgement) click(a *Attempt) {
	ids := j.evidence.Clicks[a.N]
	switch {
	case len(ids) > 1:
		j.findf(ClickDoubled, "attempt %d has %d rows", a.N, len(ids))
	case len(ids) == 1 && a.Outcome.Status == 302 && (a.Outcome.ID == "") != j.evidence.NotEnrolled[ids[0]]:
		j.findf(ClickInvented, "attempt %d was given %q and is stored as %s, not enrolled: %t", a.N, a.Outcome.ID, ids[0], j.evidence.NotEnrolled[ids[0]])
	case len(ids) == 1 && a.Outcome.Status == 302 && a.Outcome.ID != "" && ids[0] != a.Outcome.ID:
		j.findf(ClickInvented, "attempt %d was given %s and is stored as %s", a.N, a.Outcome.ID, ids[0])
	case len(ids) == 0 && a.Acknowledged():
		j.findf(ClickMissing, "attempt %d, %s at %s", a.N, a.Outcome.ID, a.At)
	}
	if a.Outcome.Status >= 400 {
		j.findf(RefusedWrongly, "the visit of attempt %d was answered with %d", a.N, a.Outcome.Status)
	}
}

// report judges one report by itself and adds it to what was sent about its fact.
func (j *judgement) report(a *Attempt) {
	if a.Wrong != "" {
		if a.Outcome.Status != 0 && !a.Refused() {
			j.findf(AcceptedWrongly, "attempt %d (%s) was answered with %d", a.N, a.Wrong, a.Outcome.Status)
		}
		return
	}
	if a.Refused() && (!j.evidence.Bounded || a.Outcome.Status != http.StatusTooManyRequests) {
		j.findf(RefusedWrongly, "attempt %d was answered with %d", a.N, a.Outcome.Status)
	}
	var f Fact
	if a.Sale != nil {
		f = Fact{OrderKey: a.Sale.OrderKey, IsSale: true}
	} else {
		f = Fact{OrderKey: a.Refund.OrderKey, Refund: a.Refund.ID}
	}
	t := j.reports[f]
	if t == nil {
		t = &told{first: a, contents: map[string]bool{}}
		j.reports[f] = t
		j.order = append(j.order, f)
	}
	if a.Refused() {
		return
	}
	t.possible++
	if a.Content == t.first.Content {
		t.copies = append(t.copies, a)
	}
	if !a.Acknowledged() {
		return
	}
	t.acknowledged++
	t.contents[a.Content] = true
	switch n := j.evidence.Reports[a.Outcome.ID]; {
	case n == 0:
		j.findf(ReportMissing, "attempt %d, event %s, %+v", a.N, a.Outcome.ID, f)
	case n > 1:
		j.findf(ReportDoubled, "attempt %d, event %s has %d rows", a.N, a.Outcome.ID, n)
	}
}

// fact judges what became of all reports of one fact, and enters it in the model's books if it counts.
func (j *judgement) fact(f Fact, t *told) {
	if n := j.evidence.Rows[f]; n > t.possible {
		j.findf(ReportInvented, "%+v was sent %d times and has %d rows", f, t.possible, n)
	}
	booked := j.evidence.Booked[f]
	switch {
	case booked > 1:
		j.findf(FactDoubled, "%+v", f)
	case booked == 0 && t.acknowledged > 0:
		j.findf(FactMissing, "%+v, first sent as attempt %d", f, t.first.N)
	case booked == 1 && t.possible == 0:
		j.findf(FactInvented, "%+v was refused", f)
	}
	// Whatever is not the first content is in dispute. Of a report that nobody confirmed it is not known.
	disputes := len(t.contents)
	if t.contents[t.first.Content] {
		disputes--
	}
	if n := j.evidence.Disputed[f]; n < disputes || n > disputes && t.possible == t.acknowledged {
		j.findf(DisputeWrong, "%+v has %d other contents, %d are kept", f, disputes, n)
	}
	if booked == 0 && t.acknowledged == 0 {
		return
	}
	if f.IsSale {
		sale := *t.first.Sale
		sale.Received = j.received(f.OrderKey, t)
		j.path(&sale)
		j.books.Sell(sale)
	} else {
		j.books.TakeBack(*t.first.Refund)
	}
}

// received is when the report of an order was received: any copy's time will do, as any of them may have come first.
func (j *judgement) received(key model.OrderKey, t *told) time.Time {
	at, known := j.evidence.Received[key]
	if !known {
		return t.first.At
	}
	for _, a := range t.copies {
		if a.MayBeReceived(at) {
			return at
		}
	}
	j.findf(ReceiptWrong, "%+v counts as received at %s, which is the time of none of %d reports", key, at, len(t.copies))
	return at
}

// compareBooks holds the model's books against those of the network.
func (j *judgement) compareBooks() {
	e := j.evidence
	orders, balances := j.books.Close(e.At)
	bonuses := j.books.Bonuses(orders)
	j.compareBonuses(bonuses)
	j.compareShown(orders, bonuses)
	for key, want := range orders {
		want.Commissions = slices.DeleteFunc(want.Commissions, func(c model.Commission) bool { return c.State == "declined" && c.Gross == 0 }) // as Evidence.orders does
		if have, known := e.Orders[key]; !known || !have.Equal(want) {
			j.findf(OrderWrong, "%+v: want %+v, have %+v", key, want, have)
		}
		j.decision(key, want)
	}
	for key, have := range e.Orders {
		if _, known := orders[key]; !known {
			j.findf(OrderWrong, "%+v: want none, have %+v", key, have)
		}
	}
	compare(j, BalanceWrong, "in the books", balances, e.Balances)
}

// compareBonuses holds what months come to, in the books and on the pages, against the model.
func (j *judgement) compareBonuses(bonuses map[model.Bonus]int64) {
	compare(j, PeriodWrong, "in the books", bonuses, j.evidence.Bonuses)
	compare(j, SumWrong, "on the pages", bonuses, j.evidence.ShownMonths)
}

// compareShown holds what the pages sum up for each partner against what all orders and months come to.
func (j *judgement) compareShown(orders map[model.OrderKey]model.Order, bonuses map[model.Bonus]int64) {
	want := map[Earner]Sums{}
	for key, o := range orders {
		for n, c := range o.Commissions {
			of := Earner{key.Merchant, c.Program, c.Partner, c.Currency}
			s := want[of]
			if !o.Clicks && (n == 0 || o.Commissions[n-1].Partner != c.Partner) { // an order is counted once for each partner
				s.Orders, s.Revenue, s.Refunded = s.Orders+1, s.Revenue+o.Amount, s.Refunded+o.Refunded
			}
			want[of] = s.plus(c)
		}
	}
	for of, amount := range bonuses {
		fee := j.books.FeeOn(of, amount)
		earner := Earner{of.Merchant, of.Program, of.Partner, of.Currency}
		want[earner] = want[earner].plus(model.Commission{Net: amount, Fee: fee, Pending: amount})
	}
	for of, s := range want {
		if s == (Sums{}) {
			delete(want, of)
		}
	}
	compare(j, SumWrong, "on the pages", want, j.evidence.Shown)
}

// plus adds what a commission comes to.
func (s Sums) plus(c model.Commission) Sums {
	s.Gross, s.Net, s.Fee, s.Pending, s.Payable = s.Gross+c.Gross, s.Net+c.Net, s.Fee+c.Fee, s.Pending+c.Pending, s.Payable+c.Payable
	return s
}

// compare notes each value that is another than is wanted; what is not there is the zero value.
func compare[K, V comparable](j *judgement, check, where string, want, have map[K]V) {
	for of, w := range want {
		if h := have[of]; h != w {
			j.findf(check, "%+v %s: want %+v, have %+v", of, where, w, h)
		}
	}
	for of, h := range have {
		if _, known := want[of]; !known {
			j.findf(check, "%+v %s: want none, have %+v", of, where, h)
		}
	}
}

// past enters the clicks of days that are over, and the program that pays for them, in the model.
func (j *judgement) past(p *Past) {
	j.world.Programs[p.ID] = p.Program
	maps.Copy(j.world.Links, p.Links)
	for _, v := range p.Visits {
		j.books.Visit(v)
		switch n := j.evidence.Away[v.ID]; {
		case n == 0:
			j.findf(ClickMissing, "%+v, of a day that is over", v)
		case n > 1:
			j.findf(ClickDoubled, "%+v, of a day that is over, has %d rows", v, n)
		}
	}
}

// decision holds what the reports say of an order against the model.
func (j *judgement) decision(key model.OrderKey, o model.Order) {
	var want Sums
	if o.Placed && !o.Void && !o.Clicks {
		want = Sums{Orders: 1, Revenue: o.Amount, Refunded: o.Refunded}
	}
	for _, c := range o.Commissions {
		want = want.plus(c)
	}
	if have := j.evidence.Decided[key]; have != want {
		j.findf(DecisionWrong, "%+v: want %+v, have %+v", key, want, have)
	}
}
