package loader

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/outbox"
)

// want asks for the path of a click, as an engine does.
func (r *river) want(conn *pgx.Conn, order string, e *event.Event, ago time.Duration) {
	r.t.Helper()
	c := e.GetClick()
	_, err := conn.Exec(r.t.Context(), `
INSERT INTO path_wanted (lane, merchant_id, keys, order_id, click_id, program_id, partner_id, clicked_at, written)
VALUES ($1, $2, 0, $3, $4, $5, $6, $7, now() - $8 * interval '1 second')`, event.Lane(event.OrderKey(c.GetMerchantId(), order), r.lanes),
		c.GetMerchantId(), order, c.GetClickId(), c.GetProgramId(), c.GetPartnerId(), event.Time(e.GetOccurredAt()), ago.Seconds())
	if err != nil {
		r.t.Fatal(err)
	}
}

// tracked has a tracker say up to where it has stored and sent touches of a lane, so long ago.
func (r *river) tracked(conn *pgx.Conn, lane, last, sent int, ago string) {
	r.t.Helper()
	_, err := conn.Exec(r.t.Context(), `INSERT INTO spool_progress (spool, lane, last, sent, owner, seen) VALUES ($1, $2, $3, $4, 'tracker', now() - $5::interval)
		ON CONFLICT (spool, lane) DO UPDATE SET last = excluded.last, sent = excluded.sent, seen = excluded.seen`,
		append([]byte{1}, make([]byte, 15)...), lane, last, sent, ago)
	if err != nil {
		r.t.Fatal(err)
	}
}

// storing has the tracker have more than it has sent, of each lane: no click is given up, however slow the machine is.
func (r *river) storing(conn *pgx.Conn) {
	r.t.Helper()
	for lane := range r.lanes {
		r.tracked(conn, lane, 1000, 0, "0")
	}
}

// told are the paths that topic orders holds, each "order: clicks", a lost one "order: ?", and holds that their sequences are
// dense.
func (r *river) told() (all []string) {
	r.t.Helper()
	for p := range r.lanes {
		r.admitted(p, func(e *event.Event) { all = append(all, pathText(e)) })
	}
	slices.Sort(all)
	return all
}

func pathText(e *event.Event) string {
	said := e.GetPath()
	words := []string{said.GetOrderId() + ":"}
	for _, touch := range said.GetTouches() {
		words = append(words, touch.GetClickId())
	}
	if said.GetIncomplete() {
		words = append(words, "?")
	}
	return strings.Join(words, " ")
}

// tell waits until so many paths are told.
func (r *river) tell(want ...string) {
	r.t.Helper()
	var got []string
	r.eventually("paths are told", func() bool { got = r.told(); return len(got) >= len(want) })
	if !slices.Equal(got, want) {
		r.t.Errorf("told are %q, want %q", got, want)
	}
}

// answered waits until nothing is asked for, and Kafka has all answers.
func (r *river) answered() {
	r.t.Helper()
	r.eventually("all is answered", func() bool {
		return r.books(`SELECT (SELECT count(*) FROM path_wanted) +
			(SELECT count(*) FROM order_outbox o LEFT JOIN order_sent s USING (lane) WHERE o.first_seq > coalesce(s.through_seq, 0))`) == 0
	})
}

// walked is a click that others came before.
func walked(n int, before ...string) *event.Event {
	e := click(n)
	e.GetClick().Path = before
	return e
}

func TestAPathIsToldWhenTheClicksRowIsThere(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	owners := r.admin()
	r.storing(owners)
	first, second := walked(1, "a", "b"), walked(2)
	r.want(owners, "one", first, 0)
	r.want(owners, "two", second, 0)
	stop := r.run(r.loader(owner()))
	r.want(owners, "three", first, 0)
	time.Sleep(2 * produceEvery)
	r.tell() // nothing: the rows may come
	r.send(event.Touches, event.Lane([]byte(first.GetClick().GetClickId()), 2), 1, first)
	r.send(event.Touches, event.Lane([]byte(second.GetClick().GetClickId()), 2), 2, second)
	r.tell("one: a b", "three: a b", "two:")
	r.answered()
	stop()
	r.equal("sequences", r.books(`SELECT sum(out_seq) FROM position WHERE consumer = 'producer'`), 3)
}

// TestAPathIsGivenUpWhenAllIsLoaded has a click whose row nobody has: that is said only once all is loaded that the tracker had
// when it was asked for.
func TestAPathIsGivenUpWhenAllIsLoaded(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	owners := r.admin()
	progress := func(last int, seen string) { r.tracked(owners, 0, last, last, seen) }
	stop := r.run(r.loader(owner()))
	r.send(event.Touches, 0, 1, click(1), click(2))
	r.loaded(event.Touches, 2)
	for _, step := range []struct {
		name string
		last int
		seen string
		told int
	}{
		{"the tracker has told how far it is before it was asked for", 2, "2 minutes", 0},
		{"it has more than is loaded", 3, "0", 0},
		{"all is loaded", 2, "0", 1},
	} {
		progress(step.last, step.seen)
		if step.name == "the tracker has told how far it is before it was asked for" {
			r.want(owners, "lost", click(99), time.Minute)
		}
		if step.told == 0 {
			time.Sleep(2 * produceEvery)
			if got := r.told(); len(got) > 0 {
				t.Errorf("%s: told are %q", step.name, got)
			}
			continue
		}
		r.tell("lost: ?")
	}
	stop()                                   // the next loader knows nothing of what was loaded before
	r.tracked(owners, 0, 3, 3, "10 minutes") // what a tracker has sent is waited for, when it is gone too
	r.want(owners, "another", click(98), time.Minute)
	r.run(r.loader(owner()))
	time.Sleep(2 * produceEvery)
	r.tell("lost: ?")
	r.tracked(owners, 0, 3, 2, "10 minutes") // what it has not sent is not
	r.tell("another: ?", "lost: ?")
}

// TestTwoLoadersAnswerOnce has loaders come and go while they are asked.
func TestTwoLoadersAnswerOnce(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	owners := r.admin()
	r.storing(owners)
	const clicks = 60
	var want []string
	stops := []func(){r.run(r.loader(owner())), r.run(r.loader(owner()))}
	for n := range clicks {
		e := walked(n+1, "a")
		r.send(event.Touches, event.Lane([]byte(e.GetClick().GetClickId()), 2), byte(1+n%2), e)
		order := string(rune('A'+n/26)) + string(rune('a'+n%26))
		r.want(owners, order, e, 0)
		want = append(want, order+": a")
		if n == clicks/2 {
			stops[0]()
			r.run(r.loader(owner()))
		}
	}
	slices.Sort(want)
	r.answered()
	r.tell(want...)
}

// TestPathsAreSentAgainToAKafkaThatLostThem sets the outbox back, as an operator does behind a gap.
func TestPathsAreSentAgainToAKafkaThatLostThem(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	owners := r.admin()
	r.storing(owners)
	e := walked(1, "a")
	r.send(event.Touches, 0, 1, e)
	r.run(r.loader(owner()))
	for _, order := range []string{"one", "two", "three"} {
		r.want(owners, order, e, 0)
		r.answered()
	}
	r.tell("one: a", "three: a", "two: a")
	if err := outbox.Orders().Rewind(t.Context(), owners, 0, 2); err != nil {
		t.Fatal(err)
	}
	r.eventually("they are there again", func() bool {
		_, end, err := r.kafka.Offsets(t.Context(), event.Orders, 0)
		return err == nil && end == 5
	})
	r.tell("one: a", "three: a", "two: a")
}

// TestPathsGoOnBehindWhatKafkaHas has a PostgreSQL that was restored to before two of three paths were told.
func TestPathsGoOnBehindWhatKafkaHas(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	owners := r.admin()
	r.storing(owners)
	e := walked(1, "a")
	r.send(event.Touches, 0, 1, e)
	stop := r.run(r.loader(owner()))
	for _, order := range []string{"one", "two", "three"} {
		r.want(owners, order, e, 0)
		r.answered()
	}
	stop()
	for _, sql := range []string{
		`UPDATE position SET out_seq = 1 WHERE consumer = 'producer'`, `DELETE FROM order_outbox WHERE first_seq > 1`,
		`UPDATE order_sent SET through_seq = 1`,
	} {
		if _, err := owners.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	r.want(owners, "four", e, 0)
	r.run(r.loader(owner()))
	r.answered()
	r.tell("four: a", "one: a", "three: a", "two: a")
}
