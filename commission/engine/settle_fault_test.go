package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/position"
)

// periods are all periods as they stand, with their records, by what they are of.
func (w *world) periods() map[string]string {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `SELECT format('%s of %s in %s %s', rule, partner_id, program_id, span),
		format('%s %s %s %s %s %s %s', net, fee, pending, payable, fee_pending, fee_earned, record) FROM period`)
	check(w.t, err)
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var of, stands string
		check(w.t, rows.Scan(&of, &stands))
		all[of] = stands
	}
	check(w.t, rows.Err())
	return all
}

// Books with periods come out the same however facts arrive, and whatever dies in between.
func TestPeriodsAreBlindToArrivalAndToKills(t *testing.T) {
	t.Parallel()
	history, times := shoppingHistory(80)
	plain := newCounting(t, monthly())
	plain.setClock(noon().Add(100 * day))
	plain.start(plain.config("one"))
	plain.send(arrival(plain, history, 0)...)
	plain.waitIdle()
	plain.clean()

	w := newCounting(t, monthly())
	told := arrival(w, history, 5)
	for round := 0; len(told) > 0; round++ {
		cfg := w.config(fmt.Sprint("engine ", round))
		cfg.SliceSize = 1 + 7*(round%3)
		stop := w.start(cfg)
		n := min(len(told), 40)
		w.send(told[:n]...)
		told = told[n:]
		w.setClock(noon().Add(time.Duration(round*20-30) * day))
		for range 6 {
			w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'tributary_engine' AND random() < 0.4`)
			time.Sleep(50 * time.Millisecond)
		}
		stop()
	}
	w.setClock(noon().Add(100 * day))
	w.start(w.config("last"))
	w.waitIdle()
	w.clean()
	equal(t, "periods", w.periods(), plain.periods())
	if len(w.periods()) < 20 {
		t.Errorf("there are only %d periods", len(w.periods()))
	}
	for _, at := range times {
		equal(t, fmt.Sprint("books as of ", at), w.books(at), plain.books(at))
	}
}

func TestAnOwnerThatLostItsLeaseSettlesNothing(t *testing.T) {
	t.Parallel()
	w := newCounting(t, monthly())
	w.send(w.placed("A", 0, 50_000))
	for p := range w.partitions {
		if facts := w.facts(p); len(facts) > 0 {
			l := w.laneHeld(New(w.config("takes in")), p)
			_, err := l.apply(t.Context(), facts)
			check(t, err)
		}
	}
	lane := event.Lane(event.PeriodKey(int64(w.programs[0]), int64(w.partners[0])), w.partitions)
	frozen := w.laneHeld(New(w.config("frozen")), lane)
	rests := w.config("other")
	rests.SettleRest = time.Hour
	other := w.laneHeld(New(rests), lane)
	if _, err := frozen.settleSums(t.Context()); !errors.Is(err, position.ErrLost) || verdict(err) != leave {
		t.Errorf("the frozen engine gets %v, want %v", err, position.ErrLost)
	}
	equal(t, "what has changed is still there", w.number(`SELECT count(*) FROM period_delta`), 3)
	_, err := other.settleSums(t.Context())
	check(t, err)
	equal(t, "periods that sums settle", w.number(`SELECT count(*) FROM period`), 2)
	equal(t, "what has changed is taken", w.number(`SELECT count(*) FROM period_delta`), 1)
	if more, err := other.settleSums(t.Context()); more || err != nil || !other.sums.next.After(time.Now().Add(50*time.Minute)) {
		t.Errorf("it does not rest: %t, %v", more, err)
	}
	_, err = other.rankOrders(t.Context())
	check(t, err)
	equal(t, "all periods", w.number(`SELECT count(*) FROM period`), 3)
	equal(t, "the volume", w.standing("volume").Net, 800)
}

// A period that cannot be settled stays as it was, holds up nobody, and verify names it.
func TestAPeriodThatCannotBeSettledHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newCounting(t, monthly())
	w.start(w.config("one"))
	w.send(w.placed("A", 0, 50_000))
	w.waitIdle()
	w.exec(`UPDATE period SET record = '{"damaged": true}' WHERE rule = 'volume'`)
	w.send(w.placed("B", day, 10_000))
	w.waitIdle()
	equal(t, "the volume stays", w.standing("volume").Net, 800)
	equal(t, "the cap moves", w.standing("cap").Net, -3500)
	found := w.verify()
	if len(found) == 0 {
		t.Fatal("verify finds nothing")
	}
	for _, f := range found {
		if f.Table == "period" && !strings.Contains(f.Key, `"volume"`) {
			t.Errorf("verify: %s", f)
		}
	}
}

// A period that the database refuses, new or not, stays as it was, holds up nobody, and is settled once it is taken.
func TestAPeriodThatIsRefusedHoldsUpNobody(t *testing.T) {
	t.Parallel()
	for name, already := range map[string]bool{"new": false, "known": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCounting(t, monthly())
			w.start(w.config("one"))
			stands := int64(0)
			if already {
				w.send(w.placed("A", 0, 20_000), w.placed("B", day, 20_000))
				w.waitIdle()
				stands = w.standing("volume").Net
			}
			w.exec(`
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'no more' USING ERRCODE = 'check_violation';
END $$`)
			w.exec(fmt.Sprintf(`CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON period FOR EACH ROW WHEN (NEW.rule = 'volume' AND NEW.net > %d) EXECUTE FUNCTION refuse()`, stands))
			w.send(w.placed("C", 2*day, 60_000))
			w.waitIdle()
			equal(t, "the volume stays", w.standing("volume").Net, stands)
			if w.standing("cap").Net >= 0 {
				t.Error("the cap does not move")
			}
			w.exec(`DROP TRIGGER refuse ON period`)
			w.setClock(noon().Add(3*day + 2*stuckFor))
			w.eventually("the volume moves", func() bool { return w.standing("volume").Net > stands })
			w.waitIdle()
			w.clean()
		})
	}
}

// A period that could not be settled, new or not, is tried again after some minutes, though nothing changes it.
func TestAPeriodThatCannotBeSettledIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newCounting(t, monthly())
	w.send(w.placed("A", 0, 20_000), w.placed("B", day, 20_000), w.placed("C", 2*day, 10_000))
	for p := range w.partitions {
		if facts := w.facts(p); len(facts) > 0 {
			_, err := w.laneHeld(New(w.config("takes in")), p).apply(t.Context(), facts)
			check(t, err)
		}
	}
	l := w.laneHeld(New(w.config("settles")), event.Lane(event.PeriodKey(int64(w.programs[0]), int64(w.partners[0])), w.partitions))
	settle := func() {
		l.sums.next, l.ranks.next = time.Time{}, time.Time{}
		_, err := l.settleSums(t.Context())
		check(t, err)
		_, err = l.rankOrders(t.Context())
		check(t, err)
	}
	w.exec(`CREATE TABLE decision AS SELECT no, decision AS was FROM orders`)
	w.exec(`UPDATE orders SET decision = '{"form":99}' WHERE order_id = 'A'`) // of a later version
	settle()
	equal(t, "the volume", w.standing("volume").Net, 800)
	equal(t, "past two, of orders that cannot be read", w.standing("past two").Net, 0)
	w.exec(`CREATE TABLE record AS SELECT no, record AS was FROM period`)
	w.exec(`UPDATE period SET record = '{"damaged": true}' WHERE rule = 'volume'`)
	later := noon().Add(60 * day)
	w.setClock(later)
	settle()
	equal(t, "the volume, by a record that cannot be read", w.standing("volume").Payable, 0)
	w.exec(`UPDATE orders o SET decision = d.was FROM decision d WHERE o.no = d.no`)
	w.exec(`UPDATE period p SET record = r.was FROM record r WHERE p.no = r.no`)
	settle()
	equal(t, "the volume, too soon", w.standing("volume").Payable, 0)
	w.setClock(later.Add(stuckFor))
	settle()
	equal(t, "the volume in the end", w.standing("volume").Payable, 800)
	equal(t, "past two in the end", w.standing("past two").Payable, 500)
	for _, f := range w.verify() {
		if strings.HasPrefix(f.Table, "period") {
			t.Errorf("verify: %s", f)
		}
	}
}

// However many postings a period takes at once, each has a number of its own, under versions that are new.
func TestPostingsOfAPeriodAreNumbered(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return noon().Add(time.Duration(n) * 24 * time.Hour) }
	for _, days := range []int{0, 1, 32_768, 32_769, 70_000} {
		p := &periodState{key: period.Key{Merchant: 1, Program: 1, Partner: 1, Unit: "GBP"}, version: 4, posted: make([]commission.Movement, days)}
		for n := range p.posted {
			p.posted[n] = commission.Movement{At: day(n), Debit: chart.MerchantReceivable, Credit: chart.PartnerPending, Merchant: 1, Partner: 1, Unit: "GBP", Amount: 1}
		}
		p.settle(noon())
		check(t, p.problem)
		type number struct {
			version int32
			n       int16
		}
		seen := map[number]bool{}
		for _, posting := range p.appendPostings(nil) {
			if posting.Version <= 4 || posting.Version > p.version || posting.N < 0 {
				t.Fatalf("of %d postings up to version %d one is (%d, %d)", days, p.version, posting.Version, posting.N)
			}
			seen[number{posting.Version, posting.N}] = true
		}
		equal(t, fmt.Sprintf("numbers of %d postings", days), len(seen), days)
	}
}
