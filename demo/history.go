package demo

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// seed draws the demo's history: the same network for everyone who starts it on the same day.
const seed = 20

// historyDays is how far back the demo's history reaches.
const historyDays = 90

// visit is a click of the demo's history.
type visit struct {
	at       time.Time
	link     *castLink
	agent    string
	ip       string
	referrer string
	sub1     string
	clickID  string // once it was recorded
}

// purchase is an order of the demo's history.
type purchase struct {
	at       time.Time
	merchant *castMerchant
	id       string
	currency string
	customer string
	coupon   string
	referral string // a partner's code
	lines    []purchaseLine
	visit    *visit   // nil: nobody sent the customer
	earlier  []*visit // by which the customer came before, in the order of time
	again    bool     // reported a second time, with one piece more: the shop had it wrong
}

type purchaseLine struct {
	goods    *product
	quantity int64
	amount   int64
}

// takeback is a refund of the demo's history: of everything, or of one piece of the first line.
type takeback struct {
	at       time.Time
	purchase *purchase
	id       string
	whole    bool
}

// fact is one thing that happened, in the order of time; exactly one field is set.
type fact struct {
	at       time.Time
	visit    *visit
	purchase *purchase
	takeback *takeback
}

// historian draws the demo's past, the same for the same seed and day.
type historian struct {
	random  *rand.Rand
	network []*castMerchant
	links   []*castLink
	weights []float64 // running sums over links
	orders  int
	facts   []fact
	// recent are the latest visits to each merchant.
	recent map[*castMerchant][]*visit
	first  *castPartner
}

// history draws what happened in the historyDays before now.
func history(seed uint64, network []*castMerchant, first *castPartner, now time.Time) []fact {
	h := &historian{random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // a history to be repeated, not a secret
		network: network, recent: map[*castMerchant][]*visit{}, first: first}
	sum := 0.0
	for _, m := range network {
		for _, l := range m.links {
			sum += l.weight
			h.links, h.weights = append(h.links, l), append(h.weights, sum)
		}
	}
	for day := historyDays; day >= 0; day-- {
		h.day(now.AddDate(0, 0, -day).Truncate(24*time.Hour), day)
	}
	h.again(network[0], now.AddDate(0, 0, -4))
	slices.SortStableFunc(h.facts, func(a, b fact) int { return cmp.Compare(a.at.UnixMicro(), b.at.UnixMicro()) })
	end, _ := slices.BinarySearchFunc(h.facts, now, func(f fact, t time.Time) int { return f.at.Compare(t) })
	return h.facts[:end]
}

// day draws one day: a weekly rhythm, slow growth, and a good week in the middle.
func (h *historian) day(midnight time.Time, ago int) {
	rhythm := []float64{1.15, 0.95, 0.9, 0.92, 1, 1.1, 1.3}[midnight.Weekday()]
	growth := 1 + 0.5*float64(historyDays-ago)/historyDays
	if ago > 40 && ago < 48 {
		growth *= 1.6
	}
	visits := int(300 * rhythm * growth * (0.85 + 0.3*h.random.Float64()))
	for range visits {
		h.visit(midnight.Add(h.timeOfDay()))
	}
	for range int(float64(visits) * 0.035) {
		h.purchase(midnight.Add(h.timeOfDay()), h.network[h.random.IntN(len(h.network))], nil)
	}
}

// timeOfDay is most often in the evening.
func (h *historian) timeOfDay() time.Duration {
	hour := math.Mod(19.5+5*h.random.NormFloat64()+48, 24)
	return time.Duration(hour * float64(time.Hour)).Truncate(time.Millisecond)
}

func (h *historian) visit(at time.Time) {
	place, _ := slices.BinarySearch(h.weights, h.random.Float64()*h.weights[len(h.weights)-1])
	link := h.links[min(place, len(h.links)-1)]
	v := &visit{
		at: at, link: link, referrer: link.partner.site, sub1: pick(h.random, placements()),
		agent: pick(h.random, agents()), ip: fmt.Sprintf("203.0.113.%d", h.random.IntN(254)+1),
	}
	bot := h.random.IntN(100) < 5
	if bot {
		v.agent = pick(h.random, bots())
	}
	h.facts = append(h.facts, fact{at: at, visit: v})
	if bot {
		return
	}
	if h.random.IntN(100) < 3 { // clicked again at once
		again := *v
		again.at = at.Add(time.Duration(1+h.random.IntN(20)) * time.Second)
		h.facts = append(h.facts, fact{at: again.at, visit: &again})
	}
	h.recent[link.merchant] = append(h.recent[link.merchant], v)
	h.recent[link.merchant] = h.recent[link.merchant][max(0, len(h.recent[link.merchant])-300):]
	if h.random.Float64() < 0.032*link.partner.skill {
		lag := time.Duration(math.Exp(7+2.2*h.random.NormFloat64())) * time.Second // around 20 minutes, up to weeks
		h.purchase(at.Add(min(max(lag, 20*time.Second), 50*24*time.Hour)), link.merchant, v)
	}
	if h.random.IntN(2000) == 0 { // a click id that was handed on
		for n := range 5 {
			h.purchase(at.Add(time.Duration(n+1)*37*time.Minute), link.merchant, v)
		}
	}
}

func (h *historian) purchase(at time.Time, m *castMerchant, v *visit) {
	h.orders++
	p := &purchase{
		at: at, merchant: m, visit: v,
		id:       fmt.Sprintf("%s-%06d", m.orderPrefix, 100000+h.orders),
		currency: m.currencies[0],
		customer: fmt.Sprintf("c%04d", h.random.IntN(m.customers)),
	}
	if h.random.IntN(100) < 18 {
		p.currency = m.currencies[len(m.currencies)-1]
	}
	p.coupon, p.referral = m.typed(h.first, h.random.IntN(100))
	if v != nil && h.random.IntN(100) < 40 {
		p.earlier = h.before(v, 1+h.random.IntN(2))
	}
	p.lines = drawLines(h.random, m, p.currency)
	h.facts = append(h.facts, fact{at: at, purchase: p})
	if h.random.IntN(100) < 7 {
		t := &takeback{
			purchase: p, id: "R-" + p.id, whole: h.random.IntN(2) == 0,
			at: at.Add(time.Duration(2*24+h.random.IntN(20*24)) * time.Hour),
		}
		h.facts = append(h.facts, fact{at: t.at, takeback: t})
	}
}

// again has the merchant's last order before a time, of those that a partner led to, be reported again with other content.
func (h *historian) again(m *castMerchant, before time.Time) {
	var last *purchase
	for _, f := range h.facts {
		if p := f.purchase; p != nil && p.merchant == m && p.visit != nil && p.at.Before(before) && (last == nil || p.at.After(last.at)) {
			last = p
		}
	}
	if last == nil {
		return
	}
	second := *last
	second.again, second.lines = true, slices.Clone(last.lines)
	second.lines[0].amount += second.lines[0].amount / second.lines[0].quantity
	second.lines[0].quantity++
	h.facts = append(h.facts, fact{at: last.at.Add(3 * time.Hour), purchase: &second})
}

// typed is what the customer types whose part of a hundred this is: mostly nothing.
func (m *castMerchant) typed(first *castPartner, part int) (coupon, referral string) {
	for _, c := range m.codes(first) {
		if part -= c.parts; part < 0 {
			return c.coupon, c.referral
		}
	}
	return "", ""
}

// before draws up to n earlier visits to the same merchant by other links, in the order of time.
func (h *historian) before(v *visit, n int) (found []*visit) {
	recent := h.recent[v.link.merchant]
	for range n {
		e := recent[h.random.IntN(len(recent))]
		if e.at.Before(v.at) && e.link != v.link && !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *visit) int { return a.at.Compare(b.at) })
	return found
}

// drawLines fills a basket with one to three different goods.
func drawLines(random *rand.Rand, m *castMerchant, currency string) []purchaseLine {
	var lines []purchaseLine
	chosen := random.Perm(len(m.goods))[:1+random.IntN(3)]
	if len(chosen) == 1 && m.goods[chosen[0]].category == "service" { // a service comes with goods
		chosen[0] = 0
	}
	for _, i := range chosen {
		goods := &m.goods[i]
		quantity := int64(1)
		if random.IntN(4) == 0 {
			quantity = 2
		}
		lines = append(lines, purchaseLine{goods: goods, quantity: quantity, amount: quantity * goods.price[currency]})
	}
	return lines
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }
