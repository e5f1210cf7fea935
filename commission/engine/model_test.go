package engine

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/ledger"
	"tributary/internal/event"
	"tributary/internal/outbox"
)

// modelOrder is an order as the model has it: the facts that count, in the order in which they were told.
type modelOrder struct {
	merchant int64
	id       string
	link     int // of the world's links, -1 for no click
	facts    map[string]*event.Event
	lane     int
}

// model says what the books should hold, by the words of the promises and none of the engine's code: what is earned as of
// a time is worked out from what is left of each line then, in exact fractions.
type model struct {
	w      *world
	orders []*modelOrder
	// edited are the orders of dead letters that were retried. Nothing else is told of them: which of two reports an
	// engine takes first, one from Kafka or a retried letter, is a matter of the moment.
	edited []*modelOrder
	// letters are the values of dead letters that are open.
	letters int
	serial  int
}

// halfAwayFromZero rounds amount x ppm / 1,000,000.
func halfAwayFromZero(amount, ppm int64) int64 {
	exact := big.NewRat(amount*ppm, 1_000_000)
	exact.Add(exact, big.NewRat(1, 2))
	return new(big.Int).Quo(exact.Num(), exact.Denom()).Int64() // never below zero here
}

// books are what the accounts should hold as of a time, while the clock says now.
func (m *model) books(asOf, now time.Time) books {
	all := make(books)
	for _, o := range slices.Concat(m.orders, m.edited) {
		sale := o.facts["sale"]
		if sale == nil || o.link < 0 {
			continue
		}
		placed := event.Time(sale.GetOccurredAt())
		if placed.After(asOf) {
			continue
		}
		net, fee := o.earned(asOf)
		hold := event.Time(max(sale.GetOccurredAt(), sale.GetReceivedAt())).Add(30 * day)
		partner := int64(m.w.partners[o.link%len(m.w.partners)])
		kind, feeKind := "partner_pending", "fee_pending"
		if !hold.After(now) && !hold.After(asOf) {
			kind, feeKind = "partner_payable", "fee_earned"
		}
		all[fmt.Sprintf("%s/%d/%d/GBP", kind, o.merchant, partner)] += net
		all[fmt.Sprintf("%s/%d/0/GBP", feeKind, o.merchant)] += fee
		all[fmt.Sprintf("merchant_receivable/%d/0/GBP", o.merchant)] += net + fee
	}
	maps.DeleteFunc(all, func(_ string, v int64) bool { return v == 0 })
	return all
}

// earned is the commission and the fee as of a time.
func (o *modelOrder) earned(asOf time.Time) (net, fee int64) {
	sale := o.facts["sale"]
	left := map[int64]int64{}
	for _, l := range sale.GetSale().GetLines() {
		left[l.GetNumber()] = l.GetAmount()
	}
	var refunds []*event.Event
	for name, f := range o.facts {
		effective := max(f.GetOccurredAt(), sale.GetOccurredAt())
		if name != "sale" && !event.Time(effective).After(asOf) {
			refunds = append(refunds, f)
		}
	}
	slices.SortFunc(refunds, func(a, b *event.Event) int {
		if a.GetOccurredAt() != b.GetOccurredAt() {
			return int(a.GetOccurredAt() - b.GetOccurredAt())
		}
		return strings.Compare(a.GetRefund().GetRefundId(), b.GetRefund().GetRefundId())
	})
	for _, f := range refunds {
		if len(f.GetRefund().GetItems()) == 0 {
			clear(left) // all that is left
		}
		for _, i := range f.GetRefund().GetItems() {
			left[i.GetLine()] = max(0, left[i.GetLine()]-i.GetAmount())
		}
	}
	base := int64(0)
	for _, l := range sale.GetSale().GetLines() {
		if l.GetCategory() != "free" {
			base += left[l.GetNumber()]
		}
	}
	net = halfAwayFromZero(base, 100_000)
	return net, halfAwayFromZero(net, 200_000)
}

// tell makes up a fact about one of a few orders: the first under its name counts, in the model too.
func (m *model) tell(t *rapid.T) *event.Event {
	n := rapid.IntRange(0, 11).Draw(t, "order")
	for len(m.orders) <= n {
		i := len(m.orders)
		merchant := int64(1 + i%2)
		link := -1
		if i%5 > 0 {
			link = int(merchant-1)*len(m.w.partners) + i%len(m.w.partners)
		}
		id := fmt.Sprint("M", i)
		m.orders = append(m.orders, &modelOrder{merchant: merchant, id: id, link: link, facts: map[string]*event.Event{}, lane: m.w.laneOf(merchant, id)})
	}
	o := m.orders[n]
	m.serial++
	at := noon().Add(time.Duration(rapid.IntRange(-20, 40).Draw(t, "day")) * day)
	name, e := m.refund(t, o, at)
	if rapid.Bool().Draw(t, "a sale") {
		name, e = "sale", m.sale(t, o, at)
	}
	e.Id = idOf("model", m.serial)
	if o.facts[name] == nil {
		o.facts[name] = e
	}
	return e
}

func (m *model) sale(t *rapid.T, o *modelOrder, at time.Time) *event.Event {
	click := ""
	if o.link >= 0 {
		click = clickOn(m.w.links[o.link], at.Add(-time.Hour))
	}
	e := sale(o.merchant, o.id, click, rapid.SliceOfN(rapid.Int64Range(0, 30_000), 1, 3).Draw(t, "amounts")...)
	e.OccurredAt = event.Micros(at)
	e.ReceivedAt = event.Micros(at.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "days late")) * day))
	if len(e.GetSale().GetLines()) > 1 {
		e.GetSale().Lines[1].Category = "free"
	}
	e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
	return e
}

func (m *model) refund(t *rapid.T, o *modelOrder, at time.Time) (string, *event.Event) {
	id := fmt.Sprint("r", rapid.IntRange(0, 4).Draw(t, "refund"))
	e := refund(o.merchant, o.id, id, at.Sub(noon()), 0)
	if rapid.IntRange(0, 5).Draw(t, "in part") > 0 {
		e.GetRefund().WholeOrder = false
		e.GetRefund().Items = []*event.RefundItem{{Line: rapid.Int64Range(1, 3).Draw(t, "line"), Amount: rapid.Int64Range(1, 15_000).Draw(t, "amount")}}
	}
	e.GetRefund().ContentHash = event.RefundHash(e.GetRefund(), e.GetOccurredAt())
	return id, e
}

// machine runs a world beside its model.
type machine struct {
	*model

	engines map[string]func()
	made    int
	// next and epochs are the positions as of the last look.
	next, epochs map[int]int64
}

func (m *machine) startEngine(slice int) {
	m.made++
	owner := fmt.Sprint("engine ", m.made)
	cfg := m.w.config(owner)
	cfg.SliceSize = slice
	m.engines[owner] = m.w.start(cfg)
}

// stopOne ends an engine in the midst of whatever it does.
func (m *machine) stopOne(t *rapid.T) {
	if len(m.engines) > 0 {
		owner := rapid.SampledFrom(slices.Sorted(maps.Keys(m.engines))).Draw(t, "engine")
		m.engines[owner]()
		delete(m.engines, owner)
	}
}

// steps are what may happen.
func (m *machine) steps() map[string]func(*rapid.T) {
	var told []*event.Event
	return map[string]func(*rapid.T){
		"facts": func(t *rapid.T) {
			var events []*event.Event
			for range rapid.IntRange(1, 12).Draw(t, "facts") {
				events = append(events, m.tell(t))
			}
			told = append(told, events...)
			m.w.send(events...)
		},
		"copies": func(t *rapid.T) {
			if len(told) > 0 {
				m.w.send(rapid.SliceOfN(rapid.SampledFrom(told), 1, 5).Draw(t, "copies")...)
			}
		},
		"rubbish": func(t *rapid.T) {
			m.w.sendRaw(rapid.IntRange(0, lanes-1).Draw(t, "lane"), []byte("rubbish"))
			m.letters++
		},
		"edit a letter": m.editLetter,
		"time passes": func(t *rapid.T) {
			m.w.setClock(m.w.clock().Add(time.Duration(rapid.IntRange(1, 20*24).Draw(t, "hours")) * time.Hour))
		},
		"an engine more": func(t *rapid.T) {
			if len(m.engines) < 3 {
				m.startEngine(rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "slice"))
			}
		},
		"an engine less": m.stopOne,
		"sessions end": func(*rapid.T) {
			m.w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'tributary_engine' AND random() < 0.5`)
		},
		"seal": func(*rapid.T) { m.w.sealAll(2) },
		"send again": func(t *rapid.T) {
			lane := rapid.IntRange(0, lanes-1).Draw(t, "lane")
			if newest := m.w.number(`SELECT coalesce(max(last_seq), 0) FROM ledger_outbox WHERE lane = $1`, lane); newest > 0 {
				check(m.w.t, outbox.Ledger().Rewind(m.w.t.Context(), m.w.db, lane, rapid.Int64Range(1, newest).Draw(t, "sequence")))
			}
		},
		"all is quiet": m.compare,
		"":             m.invariants,
	}
}

// editLetter edits the oldest open letter to a fact and retries it.
func (m *machine) editLetter(t *rapid.T) {
	letters, err := Letters(m.w.t.Context(), m.w.db, false, 10)
	check(m.w.t, err)
	for _, l := range letters {
		if l.State != LetterOpen {
			continue
		}
		// A fact under a name of its own, of an order of the letter's lane.
		o := &modelOrder{merchant: 1, id: orderIn(m.w, l.Partition) + fmt.Sprint("-", l.Offset), facts: map[string]*event.Event{}}
		for i := 0; m.w.laneOf(1, o.id) != l.Partition; i++ {
			o.id = fmt.Sprint("L", l.Partition, "-", l.Offset, "-", i)
		}
		e := m.sale(t, o, noon())
		e.Id = idOf("letter", l.Partition, l.Offset)
		o.facts["sale"] = e
		check(m.w.t, EditLetter(m.w.t.Context(), m.w.db, l.Partition, l.Offset, encode(m.w.t, e), lanes))
		check(m.w.t, RetryLetter(m.w.t.Context(), m.w.db, l.Partition, l.Offset, "a test"))
		m.edited = append(m.edited, o)
		m.letters--
		return
	}
}

// invariants hold at every moment, whatever is under way: what verify calls broken never is, no amount leaves its bounds,
// and no position goes back.
func (m *machine) invariants(t *rapid.T) {
	for _, f := range m.w.verify() {
		if f.Severity == audit.Broken {
			t.Fatalf("verify: %s", f)
		}
	}
	if n := m.w.number(`SELECT count(*) FROM commission c JOIN orders o ON o.no = c.order_no WHERE c.net < 0 OR c.fee < 0 OR c.net > c.gross
		OR c.gross > o.amount / 10 + o.lines OR c.fee > c.net / 5 + o.lines OR c.pending < 0 OR c.payable < 0 OR o.refunded > o.amount`); n > 0 {
		t.Fatalf("%d commissions are out of bounds", n)
	}
	for p := range lanes {
		next := m.w.number(`SELECT coalesce(max(next_offset), 0) FROM position WHERE consumer = 'engine' AND partition = $1`, p)
		epoch := m.w.number(`SELECT coalesce(max(epoch), 0) FROM position WHERE consumer = 'engine' AND partition = $1`, p)
		if next < m.next[p] || epoch < m.epochs[p] {
			t.Fatalf("lane %d went from offset %d, epoch %d back to %d, %d", p, m.next[p], m.epochs[p], next, epoch)
		}
		m.next[p], m.epochs[p] = next, epoch
	}
}

// compare waits until nothing is left to do and compares the books with the model, as of several times.
func (m *machine) compare(t *rapid.T) {
	if len(m.engines) == 0 {
		m.startEngine(1000)
	}
	m.w.waitIdle()
	if open := int(m.w.number(`SELECT count(*) FROM dead_letter WHERE state = 'open'`)); open != m.letters {
		t.Fatalf("%d letters are open, want %d", open, m.letters)
	}
	now := m.w.clock()
	end := time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{end, now, noon(), noon().Add(5 * day), noon().Add(31 * day), noon().Add(45 * day)} {
		want, got := m.books(at, now), m.w.books(at)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("books as of %s, now %s (-model +engine):\n%s", at, now, diff)
		}
	}
	for _, f := range m.w.verify() {
		if f.Check != "dead letters are settled" {
			t.Fatalf("verify: %s", f)
		}
	}
	if totals, err := ledger.TrialBalance(m.w.t.Context(), m.w.db, now); err != nil || unbalanced(totals) {
		t.Fatalf("the trial balance as of now: %+v, %v", totals, err)
	}
	m.w.ledgerEvents() // dense
}

func unbalanced(totals []ledger.Total) bool {
	sum := int64(0)
	for _, t := range totals {
		sum += t.Debits - t.Credits
	}
	return sum != 0
}

// TestTheBooksFollowTheModelThroughEverything lets engines, their database sessions and a person's hand do what they may,
// in any order, beside a model that knows the promises only. TRIBUTARY_STEPS is how many steps it takes, 100 by default:
// with more give -rapid.checks, too, one for every thirty.
func TestTheBooksFollowTheModelThroughEverything(t *testing.T) {
	t.Parallel()
	left := 100
	if n, err := strconv.Atoi(os.Getenv("TRIBUTARY_STEPS")); err == nil {
		left = n
	}
	rapid.Check(t, func(r *rapid.T) {
		if left <= 0 {
			return
		}
		m := &machine{model: &model{w: newWorld(t)}, engines: map[string]func(){}, next: map[int]int64{}, epochs: map[int]int64{}}
		defer func() {
			for _, stop := range m.engines {
				stop()
			}
			if r.Failed() {
				left = math.MaxInt // to find a shorter way to the failure
			}
		}()
		m.startEngine(1000)
		steps := m.steps()
		look := steps[""]
		steps[""] = func(r *rapid.T) { left--; look(r) }
		r.Repeat(steps)
		m.compare(r)
	})
}

// TestEveryArrivalGivesTheSameBooksInTheEngine lets many orders live one life, each in its own order of arrival and with
// copies, through slices of all sizes and with the click's key missing at first.
func TestEveryArrivalGivesTheSameBooksInTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const orders = 120
	var lives [][]*event.Event
	var arriving []*event.Event
	random := rand.New(rand.NewPCG(13, 1))
	for n := range orders {
		life := []*event.Event{
			sale(1, fmt.Sprint("A", n), w.click(), 9_999, 501),
			refund(1, fmt.Sprint("A", n), "early", -day, 77),
			refund(1, fmt.Sprint("A", n), "some", 2*day, 1_300),
			refund(1, fmt.Sprint("A", n), "same time", 2*day, 40),
			refund(1, fmt.Sprint("A", n), "after the hold", 40*day, 1_234),
			refund(1, fmt.Sprint("A", n), "too much", 41*day, 20_000),
		}
		random.Shuffle(len(life), func(i, j int) { life[i], life[j] = life[j], life[i] })
		lives = append(lives, append(life, life[random.IntN(len(life))]))
	}
	for len(lives) > 0 { // they run into one another, each in its own order
		n := random.IntN(len(lives))
		arriving = append(arriving, lives[n][0])
		if lives[n] = lives[n][1:]; len(lives[n]) == 0 {
			lives = slices.Delete(lives, n, n+1)
		}
	}
	without := w.config("without the key")
	without.VerifyClick, without.SliceSize = w.verifies(commission.UnknownClickKey), 17
	stop := w.start(without)
	for at := 0; at < len(arriving)/2; at += 50 {
		w.send(arriving[at:min(at+50, len(arriving)/2)]...)
	}
	w.waitIdle()
	stop()
	w.setClock(noon().Add(35 * day))
	w.start(w.config("with it"))
	w.send(arriving[len(arriving)/2:]...)
	w.waitIdle()
	w.eventually("all are credited", func() bool { return w.number(`SELECT count(*) FROM orders WHERE outcome = 'credited'`) == orders })
	w.waitIdle()
	for _, at := range []time.Duration{0, day, 2 * day, 30 * day, 40 * day, 41 * day} {
		distinct := w.number(`SELECT count(DISTINCT sums) FROM (
			SELECT source_no, string_agg(format('%s %s', kind, amount), ', ' ORDER BY kind) AS sums FROM (
				SELECT source_no, kind, sum(amount) AS amount FROM (
					SELECT source_no, credit AS account, amount FROM posting WHERE effective_at <= $1
					UNION ALL SELECT source_no, debit, -amount FROM posting WHERE effective_at <= $1) sides
				JOIN account a ON a.id = account GROUP BY source_no, kind HAVING sum(amount) <> 0) each GROUP BY source_no) lives`, noon().Add(at))
		if distinct > 1 {
			t.Errorf("as of %s after the sale there are %d different books", at, distinct)
		}
	}
	equal(t, "books in the end", w.books(time.Time{}), books{})
	w.clean()
}
