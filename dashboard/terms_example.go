package dashboard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"tributary/commission"
	"tributary/commission/whatif"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// examplePrefix begins the names of the fields of the example order.
const examplePrefix = "example_"

// How many such orders are placed at the most, and of how many pieces.
const (
	maxExamples = 1000
	maxPieces   = 1_000_000
)

// How the customer of the example comes.
const (
	byLink     = "link"
	byCoupon   = "coupon"
	byReferral = "code"
)

// withExample fills in the example where nobody has: an order of 10,000 minor units of a currency, of a new customer.
func (f *termsForm) withExample(now time.Time, currency string) {
	if f.Values.Has(examplePrefix + "amount") {
		return
	}
	for name, value := range map[string]string{
		"amount": strconv.FormatInt(10_000/wholeUnit(currency), 10), "quantity": "1", "customer": program.CustomerNew, "goal": goalSale, "by": byLink, "kind": string(program.Site), "orders": "1",
		"day": now.Format(time.DateOnly),
	} {
		f.Values.Set(examplePrefix+name, value)
	}
}

// goalSale is what forms call an order without a goal.
const goalSale = "sale"

// example is the example as it is read.
type example struct {
	currency                string
	amount                  int64
	quantity, orders        int
	at                      time.Time
	clicked                 time.Time
	by, code, kind, group   string
	category, sku, part     string
	goal, customer, country string
}

// example reads the example, whose amount is in a currency. What is wrong is noted.
func (f *termsForm) example(d *program.Document, currency string) (e example, ok bool) {
	before := len(f.Problems)
	said := func(name string) string { return f.Get(examplePrefix + name) }
	e = example{
		currency: currency, by: cmp.Or(said("by"), byLink), code: said("code"), kind: cmp.Or(said("kind"), string(program.Site)), group: said("group"),
		category: said("category"), sku: said("sku"), part: said("part"), goal: said("goal"), customer: said("customer"), country: said("country"),
	}
	var err error
	if e.amount, err = money.Parse(said("amount"), currency); err != nil || e.amount < 0 {
		f.note(examplePrefix+"amount", text.WrongAmountTyped(said("amount")), text.FixAmountTyped(exampleAmount(currency)))
	}
	e.quantity, e.orders = f.exampleNumber("quantity", maxPieces), f.exampleNumber("orders", maxExamples)
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		zone = time.UTC // the field of the zone says so
	}
	day, err := time.ParseInLocation(time.DateOnly, said("day"), zone)
	if err != nil {
		f.note(examplePrefix+"day", text.WrongDay(strconv.Quote(said("day"))), text.FixDay())
	}
	click, _ := d.Attribution.Touches.Of(program.TouchClick)
	e.at = day.Add(12 * time.Hour)
	e.clicked = e.at.Add(-max(time.Hour, time.Duration(click.MinAge)))
	return e, len(f.Problems) == before
}

func (f *termsForm) exampleNumber(name string, most int) int {
	typed := f.Get(examplePrefix + name)
	n, err := strconv.Atoi(cmp.Or(typed, "1"))
	if err != nil || n < 1 || n > most {
		f.note(examplePrefix+name, text.WrongRange(strconv.Itoa(most), "1", strconv.Quote(typed)), text.FixGiveAtMost(strconv.Itoa(most)))
	}
	return n
}

// theExampled are who an example is about: a partner, their recruiter, and the recruiter's.
const theExampled = 3

// facts are the example's, as `tributary decide` reads them.
func (e *example) facts() io.Reader {
	var out bytes.Buffer
	write := func(kind string, fact map[string]any) {
		for name, value := range fact {
			if value == "" {
				delete(fact, name)
			}
		}
		line, _ := json.Marshal(map[string]any{kind: fact}) //nolint:errchkjson // texts and numbers alone
		out.Write(append(line, '\n'))
	}
	for id := range theExampled {
		partner := map[string]any{"id": id + 1, "kind": e.kind}
		if id+1 < theExampled {
			partner["recruiter"] = id + 2
		}
		if e.group != "" && id == 0 {
			partner["groups"] = []string{e.group}
		}
		write("partner", partner)
	}
	write("click", map[string]any{"id": "click", "partner": 1, "at": e.clicked})
	code := cmp.Or(e.code, "EXAMPLE")
	coupon := map[string]any{"code": code, "from": e.clicked}
	if e.by != byLink {
		coupon["partner"], coupon["kind"], coupon["exclusive"] = 1, e.by, e.by == byCoupon
	}
	write("coupon", coupon)
	for n := range e.orders {
		order := map[string]any{
			"id": fmt.Sprintf("example-%04d", n+1), "at": e.at, "currency": e.currency, "goal": e.goal, "country": e.country,
			"customer": fmt.Sprintf("customer-%04d", n+1), "customer_status": e.customer, "lines": []any{e.line()},
		}
		switch {
		case e.by == byReferral:
			order["referral_code"] = code
		case e.by == byCoupon || e.code != "":
			order["coupons"] = []string{code}
		}
		if e.by == byLink {
			order["click"], order["path"] = "click", []string{"click"} // nobody came before, where terms ask
		}
		write("order", order)
	}
	return &out
}

// line is the one line of the order.
func (e *example) line() map[string]any {
	line := map[string]any{"n": 1, "amount": e.amount, "quantity": e.quantity}
	for name, value := range map[string]string{"category": e.category, "sku": e.sku, "part": e.part} {
		if value != "" {
			line[name] = value
		}
	}
	return line
}

// A pricedExample is what the example comes to under the terms.
type pricedExample struct {
	whyView

	// orders is how many there are alike; what is said of one is of the first.
	orders  int64
	sums    []exampleSum
	fee     amount
	inAll   amount
	periods []whatif.Period
}

// exampleSum is what somebody gets of all the orders.
type exampleSum struct {
	role string
	amount
	hold time.Time
}

// price decides the example by what the engine runs, in a currency where the document names none. nil where a field of it is
// wrong, which is noted.
func (f *termsForm) price(d program.Document, currency string) (*pricedExample, error) {
	e, ok := f.example(&d, cmp.Or(d.Currency, currency))
	if !ok {
		return nil, nil //nolint:nilnil // there is none
	}
	v := program.Version{Number: 1, EffectiveFrom: time.Unix(0, 0).UTC(), Document: d}
	v.Rules = v.LeastRules()
	decided, err := whatif.Decide([]program.Terms{v.Terms()}, e.facts(), e.at)
	if wrong, is := errors.AsType[*whatif.LineError](err); is {
		wrong.Name = examplePrefix + exampleField(wrong.Name)
		f.Problems = append(f.Problems, wrong.Field)
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("pricing an example: %w", err)
	}
	p := &pricedExample{
		whyView: whyView{Explanation: report.Explanation{Decision: decided.Orders[0]}, forMerchant: true},
		orders:  int64(len(decided.Orders)), periods: decided.Periods,
	}
	p.add(decided.Orders)
	return p, nil
}

// exampleField is the field of the example that a fact's field was made of.
func exampleField(of string) string {
	for fact, field := range map[string]string{
		"partner.value": "group", "partner.kind": "kind", "coupon.code": "code", "coupon.kind": "by", "order": "category",
	} {
		if of == fact {
			return field
		}
	}
	return "amount"
}

// add adds up what the orders come to, by role and unit.
func (p *pricedExample) add(orders []commission.Decision) {
	for i := range orders {
		for n := range orders[i].Credits {
			c := &orders[i].Credits[n]
			at := slices.IndexFunc(p.sums, func(s exampleSum) bool { return s.role == c.Role.String() && s.Currency == c.Unit })
			if at < 0 {
				at, p.sums = len(p.sums), append(p.sums, exampleSum{role: c.Role.String(), amount: amount{Currency: c.Unit}})
			}
			p.sums[at].Minor += c.Net
			p.sums[at].hold = c.HoldUntil
			if c.Unit != money.Points {
				p.fee.Currency, p.inAll.Currency = c.Unit, c.Unit
				p.fee.Minor += c.Fee
				p.inAll.Minor += c.Net + c.Fee
			}
		}
	}
	for _, period := range p.periods {
		p.fee.Currency, p.inAll.Currency = period.Of.Unit, period.Of.Unit
		p.fee.Minor += period.Settlement.Fee
		p.inAll.Minor += period.Settlement.Amount + period.Settlement.Fee
	}
}

// paid are the credits of the first order that a rule pays.
func (p *pricedExample) paid() (list []*commission.Credit) {
	for i := range p.Decision.Credits {
		if c := &p.Decision.Credits[i]; len(c.Rules) > 0 {
			list = append(list, c)
		}
	}
	return list
}

// reasons say why what could earn does, or does not: each once, and not what is said of the whole order. That a customer is known
// says nothing where customers are not bound.
func (p *pricedExample) reasons(t *text.Printer) (list []string) {
	for i := range p.Decision.Touches {
		touch := &p.Decision.Touches[i]
		reason := p.touchReason(t, touch)
		if touch.Reason != commission.CustomerNotCredited && touch.Reason != p.Decision.Outcome && !slices.Contains(list, reason) {
			list = append(list, reason)
		}
	}
	return list
}

// nameOf is what the terms call a rule; a plain document names none.
func nameOf(t *text.Printer, r *commission.Rule) string {
	switch {
	case r.ID != "":
		return r.ID
	case r.Matched == program.AnyCategory:
		return t.TermsAllOthers()
	}
	return r.Matched
}
