package loader

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/position"
)

// wantDay asks for the clicks of a day of program 2, as engines do for each lane.
func (r *river) wantDay(conn *pgx.Conn, day string, cuts ...time.Time) {
	r.t.Helper()
	_, err := conn.Exec(r.t.Context(), `INSERT INTO click_day (lane, program_id, day, merchant_id, currency, cuts) SELECT n, 2, $1::date, 1, 'EUR', $3 FROM generate_series(0, $2::int - 1) n`,
		day, r.lanes, append([]time.Time{}, cuts...))
	if err != nil {
		r.t.Fatal(err)
	}
}

// counts waits until so many orders for clicks are told, and gives them as "id: country device clicks, ...".
func (r *river) counts(orders int) (all []string) {
	r.t.Helper()
	r.eventually("clicks are told", func() bool {
		all = nil
		for p := range r.lanes {
			r.admitted(p, func(e *event.Event) {
				text := []string{}
				for _, l := range e.GetSale().GetLines() {
					text = append(text, strings.TrimSpace(fmt.Sprintf("%s %s %d", l.GetCountry(), l.GetDevice(), l.GetQuantity())))
				}
				all = append(all, e.GetSale().GetOrderId()+": "+strings.Join(text, ", "))
			})
		}
		return len(all) >= orders && r.books(`SELECT count(*) FROM click_day WHERE counted_at IS NULL`) == 0
	})
	slices.Sort(all)
	return all
}

// admitted goes over the events of a lane of orders that are no duplicates.
func (r *river) admitted(partition int, do func(e *event.Event)) {
	r.t.Helper()
	_, end, err := r.kafka.Offsets(r.t.Context(), event.Orders, partition)
	if err != nil {
		r.t.Fatal(err)
	}
	at := &position.Position{}
	for at.Next < end {
		records, err := r.kafka.Fetch(r.t.Context(), event.Orders, partition, at.Next, 1<<20, time.Second)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, record := range records {
			verdict, err := at.Admit(record)
			if err != nil {
				r.t.Fatal(err)
			}
			if verdict != position.Next {
				continue
			}
			e, err := event.Decode(record.Value)
			if err != nil {
				r.t.Fatal(err)
			}
			if event.Lane(e.Fact().Key(), r.lanes) != partition {
				r.t.Errorf("%s is in lane %d", e.Fact().Order, partition)
			}
			do(e)
		}
	}
}

// visit is a click of a partner at a time, by a device in a country.
func visit(n int, partner int64, at time.Time, country, device string, marks uint32) *event.Event {
	e := clickAt(n, at)
	c := e.GetClick()
	c.PartnerId, c.Country, c.Device, c.Marks = partner, country, device, marks
	return e
}

func TestTheClicksOfADayAreCountedOnce(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	owners := r.admin()
	midnight := noon().Truncate(24 * time.Hour)
	clicks := []*event.Event{
		visit(1, 7, midnight, "DE", "mobile", 0), visit(2, 7, midnight.Add(time.Hour), "DE", "mobile", 0), visit(3, 7, noon(), "", "bot", 0),
		visit(4, 7, midnight.Add(24*time.Hour-time.Millisecond), "AT", "desktop", 0),
		visit(5, 7, midnight.Add(-time.Millisecond), "DE", "mobile", 0), visit(6, 7, midnight.Add(24*time.Hour), "DE", "mobile", 0),
		visit(7, 7, noon(), "DE", "mobile", event.MarkBot), visit(8, 9, noon(), "DE", "tablet", 0), visit(9, 7, noon(), "DE", "mobile", 0),
	}
	clicks[8].GetClick().Channel = "tag"
	for n, c := range clicks {
		r.send(event.Touches, n%2, byte(1+n%2), c)
	}
	stop := r.run(r.loader(owner()))
	r.loaded(event.Touches, int64(len(clicks)))
	r.wantDay(owners, "2026-03-14")
	want := []string{"clicks/2026-03-14/2/7: 1, AT desktop 1, DE mobile 2", "clicks/2026-03-14/2/9: DE tablet 1"}
	if got := r.counts(2); !slices.Equal(got, want) {
		t.Errorf("counted are %q, want %q", got, want)
	}
	r.equal("orders", r.books(`SELECT sum(orders) FROM click_day`), 2)
	r.equal("clicks", r.books(`SELECT sum(clicks) FROM click_day`), 5)
	// No figure of orders has them.
	r.eventually("they are loaded", func() bool { return r.number("SELECT count() FROM order_event WHERE kind = 'clicks'") == 2 })
	r.equal("sales", r.number("SELECT count() FROM order_event WHERE kind = 'sale'"), 0)

	// A click that comes late changes nothing, and a day that is counted again, as by a PostgreSQL of before, is the same orders.
	stop()
	ids := func() (all []string) {
		for p := range r.lanes {
			r.admitted(p, func(e *event.Event) { all = append(all, hex.EncodeToString(e.GetId())) })
		}
		slices.Sort(all)
		return all
	}
	before := ids()
	if _, err := owners.Exec(t.Context(), `UPDATE click_day SET counted_at = NULL`); err != nil {
		t.Fatal(err)
	}
	r.run(r.loader(owner()))
	r.counts(4)
	if again := ids(); !slices.Equal(slices.Compact(again), before) {
		t.Errorf("counted again they are %q, and were %q", again, before)
	}
}

// TestADayOfTwoTermsIsCountedInParts cuts a day in which the terms changed twice, and counts it again.
func TestADayOfTwoTermsIsCountedInParts(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	owners := r.admin()
	cut, later := noon(), noon().Add(6*time.Hour+1500*time.Microsecond)
	clicks := []*event.Event{
		visit(1, 7, cut.Add(-time.Millisecond), "DE", "mobile", 0), visit(2, 7, cut, "DE", "mobile", 0), visit(3, 7, later.Add(-time.Millisecond), "DE", "mobile", 0),
		visit(4, 7, later.Add(time.Millisecond), "DE", "mobile", 0), visit(5, 9, cut.Add(-time.Hour), "", "", 0),
	}
	for n, c := range clicks {
		r.send(event.Touches, n%2, byte(1+n%2), c)
	}
	r.run(r.loader(owner()))
	r.loaded(event.Touches, int64(len(clicks)))
	r.wantDay(owners, "2026-03-14", cut, later)
	want := []string{
		"clicks/2026-03-14/2/7: DE mobile 1", "clicks/2026-03-14T12:00:00Z/2/7: DE mobile 1", "clicks/2026-03-14T12:00:00Z/2/9: 1", "clicks/2026-03-14T18:00:00.0015Z/2/7: DE mobile 2",
	}
	if got := r.counts(4); !slices.Equal(got, want) {
		t.Errorf("counted are %q, want %q", got, want)
	}
	r.equal("clicks", r.books(`SELECT sum(clicks) FROM click_day`), 5)
	placed := map[string]string{}
	for p := range r.lanes {
		r.admitted(p, func(e *event.Event) {
			placed[e.GetSale().GetOrderId()] = event.Time(e.GetOccurredAt()).Format(time.RFC3339Nano) + " of " + e.GetSale().GetCounted().GetDay()
		})
	}
	for id, at := range map[string]string{
		want[0]: "2026-03-14T23:59:59.999999Z", want[1]: "2026-03-14T11:59:59.999999Z", want[3]: "2026-03-14T18:00:00.001499Z",
	} {
		if id, _, _ = strings.Cut(id, ": "); placed[id] != at+" of 2026-03-14" {
			t.Errorf("%s is placed at %s", id, placed[id])
		}
	}
}

// TestADayIsCountedWhenAllIsLoaded has a tracker with a click on its disk that nobody has yet.
func TestADayIsCountedWhenAllIsLoaded(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	owners := r.admin()
	progress := func(last int, silent time.Duration) {
		t.Helper()
		_, err := owners.Exec(t.Context(), `INSERT INTO spool_progress (spool, lane, last, sent, owner, seen) VALUES ($1, 0, $2, $2, 'tracker', now() - $3 * interval '1 second')
			ON CONFLICT (spool, lane) DO UPDATE SET last = excluded.last, seen = excluded.seen`, append([]byte{1}, make([]byte, 15)...), last, silent.Seconds())
		if err != nil {
			t.Fatal(err)
		}
	}
	progress(2, time.Hour) // it is away, and has one more
	r.send(event.Touches, 0, 1, visit(1, 7, noon(), "", "", 0))
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 1)
	r.wantDay(owners, "2026-03-14")
	time.Sleep(3 * produceEvery)
	r.equal("days counted", r.books(`SELECT count(*) FROM click_day WHERE counted_at IS NOT NULL`), 0)
	r.send(event.Touches, 0, 1, visit(2, 7, noon(), "", "", 0))
	progress(2, 0)
	if got, want := r.counts(1), []string{"clicks/2026-03-14/2/7: 2"}; !slices.Equal(got, want) {
		t.Errorf("counted are %q, want %q", got, want)
	}
}

// TestADayIsCountedWhileATrackerGoesOn has a tracker that at any time has stored one click more than it has sent.
func TestADayIsCountedWhileATrackerGoesOn(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	owners := r.admin()
	r.tracked(owners, 0, 2, 1, "0")
	r.send(event.Touches, 0, 1, visit(1, 7, noon(), "", "", 0))
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 1)
	r.wantDay(owners, "2026-03-14")
	for n := 2; r.books(`SELECT count(*) FROM click_day WHERE counted_at IS NULL`) > 0; n++ {
		if n > 1000 {
			t.Fatal("the day is not counted")
		}
		r.tracked(owners, 0, n+1, n, "0")
		r.send(event.Touches, 0, 1, visit(n, 7, noon().Add(24*time.Hour), "", "", 0))
		time.Sleep(50 * time.Millisecond)
	}
	if got, want := r.counts(1), []string{"clicks/2026-03-14/2/7: 1"}; !slices.Equal(got, want) {
		t.Errorf("counted are %q, want %q", got, want)
	}
}

// TestADayThatIsNotOverIsNotCounted holds also for the minutes behind its end, by which clocks may differ.
func TestADayThatIsNotOverIsNotCounted(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	owners := r.admin()
	r.run(r.loader(owner()))
	r.wantDay(owners, time.Now().UTC().Format(time.DateOnly))
	time.Sleep(3 * produceEvery)
	r.equal("days counted", r.books(`SELECT count(*) FROM click_day WHERE counted_at IS NOT NULL`), 0)
}
