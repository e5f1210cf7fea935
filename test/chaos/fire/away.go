package fire

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tributary/internal/embedded"
	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/stream"
	"tributary/test/chaos/model"
)

// awayName is what the clicks of the tracker that was away carry in the place of an attempt's number.
const awayName = "away"

const (
	// awayEvery is how often another program's clicks come in.
	awayEvery = 15 * time.Second
	// awayRest is how long before the load ends that is the last time: engines ask once a minute for days that are over.
	awayRest = time.Minute
	// awayDays is of how many days the clicks are.
	awayDays = 6
	// awayMargin is how long a day is over whose clicks are counted for certain.
	awayMargin = 30 * time.Minute
)

// away is a tracker that was cut off from Kafka for days, and has told how much it has on its disk. Program by program its
// clicks come in while the run goes on: each program pays for clicks, so engines ask for its days, which are over, and what they
// come to is counted once all is loaded that the tracker had told of.
type away struct {
	*Run

	random *rand.Rand
	kafka  *stream.Client
	spool  [16]byte
	seq    [partitions]uint64
	next   *Past // prepared, and not delivered
	all    []int64
	stop   context.CancelFunc
	ended  chan struct{}
}

// Past is the clicks of a program on days that were over before it was made.
type Past struct {
	ID      int64                `json:"id"`
	Program *model.Program       `json:"program"`
	Links   map[int64]model.Link `json:"links"`
	Visits  []model.Visit        `json:"visits"`
}

// newAway makes the tracker, whose first program is there at once.
func newAway(ctx context.Context, r *Run) (a *away, err error) {
	a = &away{Run: r, random: rand.New(rand.NewPCG(r.Config.Seed, 3)), spool: uuid.New(), ended: make(chan struct{})} //nolint:gosec // it must be repeatable
	a.kafka, err = stream.Open(stream.Cluster{
		Brokers: []string{r.Net.Proxies[embedded.Kafka].Address()}, Prefix: "tributary.", Keys: []keyring.Key{r.Net.RecordKey},
		Security: stream.Security{Mechanism: r.Net.Addresses.KafkaMechanism, User: r.Net.Addresses.KafkaUser, Password: r.Net.Addresses.KafkaPassword},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := a.prepare(ctx); err != nil {
		return nil, err
	}
	ctx, a.stop = context.WithCancel(ctx)
	go a.live(ctx)
	return a, nil
}

// live says every now and then that the tracker is there. What it does not say once changes nothing.
func (a *away) live(ctx context.Context) {
	defer close(a.ended)
	for ctx.Err() == nil {
		if db, err := pgx.Connect(ctx, a.Net.Addresses.PostgresURL); err == nil {
			_, _ = db.Exec(ctx, `UPDATE spool_progress SET seen = now() WHERE spool = $1`, a.spool[:])
			_ = db.Close(ctx)
		}
		pause(ctx, 2*time.Second)
	}
}

// close ends the tracker.
func (a *away) close() {
	a.stop()
	<-a.ended
	a.kafka.Close()
}

// run lets clicks come in until there is no time left for them to be counted by the end of a run of so long.
func (a *away) run(ctx context.Context, length time.Duration) error {
	until := time.Now().Add(length - awayRest)
	for {
		if err := a.deliver(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		pause(ctx, awayEvery)
		if over := ctx.Err() != nil || time.Now().After(until); over {
			return nil
		}
		if err := a.prepare(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// again does something until it succeeds, as servers are away for a while.
func again(ctx context.Context, what string, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := work(ctx)
		if err == nil {
			return nil
		}
		pause(ctx, 200*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// prepare makes the next program, and tells in the same transaction that the tracker has its clicks.
func (a *away) prepare(ctx context.Context) error {
	name := fmt.Sprintf("Clicks %d", len(a.all)+1)
	seq := a.seq
	return again(ctx, "making a program that pays for clicks", func(ctx context.Context) error {
		db, err := pgx.Connect(ctx, a.Net.Addresses.PostgresURL)
		if err != nil {
			return fmt.Errorf("connecting to PostgreSQL: %w", err)
		}
		defer db.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is committed by then
		var made int
		if err := db.QueryRow(ctx, `SELECT count(*) FROM program WHERE name = $1`, name).Scan(&made); err != nil {
			return fmt.Errorf("looking for a program: %w", err)
		}
		if made == 1 && a.next != nil { // the last attempt was committed, and nobody told
			a.all = append(a.all, a.next.ID)
			return nil
		}
		a.seq = seq
		err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return a.write(ctx, tx, name) })
		if err == nil {
			a.all = append(a.all, a.next.ID)
		}
		return err
	})
}

// write makes a program and its clicks.
func (a *away) write(ctx context.Context, tx pgx.Tx, name string) (err error) {
	now := time.Now().UTC()
	today := now.Add(-awayMargin).Truncate(24 * time.Hour)
	spec := programSpec{merchant: 7, currencies: []string{"EUR"}, terms: []model.Terms{{
		From: today.Add(-awayDays * 24 * time.Hour), Window: 30 * 24 * time.Hour, Hold: time.Duration(a.random.IntN(2)) * 30 * 24 * time.Hour, Fee: 150_000,
		Rates: map[string]map[string]int64{"site": {"*": 0}}, PerClick: map[string]int64{"": 1 + a.random.Int64N(20), "DE": 25, "AT": 0},
	}}}
	a.next = &Past{Links: map[int64]model.Link{}}
	made := &World{World: model.World{Programs: map[int64]*model.Program{}, Links: a.next.Links, Partners: a.World.Partners}, Merchants: a.World.Merchants}
	if err := made.createProgram(ctx, tx, name, len(a.all), spec); err != nil {
		return err
	}
	for id, p := range made.Programs {
		a.next.ID, a.next.Program = id, p
	}
	for range 100 {
		a.next.Visits = append(a.next.Visits, a.visit(today))
	}
	for _, v := range a.next.Visits {
		a.seq[event.Lane([]byte(v.ID), partitions)]++
	}
	for lane, last := range a.seq {
		_, err := tx.Exec(ctx, `INSERT INTO spool_progress (spool, lane, last, sent, owner) VALUES ($1, $2, $3, $3, $4)
			ON CONFLICT (spool, lane) DO UPDATE SET last = excluded.last, sent = excluded.sent, seen = now()`, a.spool[:], lane, int64(last), awayName)
		if err != nil {
			return fmt.Errorf("telling how far a tracker is: %w", err)
		}
	}
	return nil
}

// visit draws a click on a day before today: one in ten in its first or last millisecond, one in ten that does not count.
func (a *away) visit(today time.Time) model.Visit {
	links := slices.Sorted(maps.Keys(a.next.Links))
	v := model.Visit{
		Link:    links[a.random.IntN(len(links))],
		Country: oneOf(a.random, "", "DE", "DE", "AT", "FR"), Device: oneOf(a.random, "", "desktop", "mobile", "tablet"),
		Marked: a.random.IntN(10) == 0,
	}
	at := time.Duration(a.random.Int64N(int64(24 * time.Hour)))
	if a.random.IntN(10) == 0 {
		at = []time.Duration{0, 24*time.Hour - time.Millisecond}[a.random.IntN(2)]
	}
	v.At = today.Add(-time.Duration(1+a.random.IntN(awayDays)) * 24 * time.Hour).Add(at).Truncate(time.Millisecond)
	v.ID = a.World.ring.Mint(v.Link, v.At)
	return v
}

// deliver sends the clicks that are prepared, once they are written down.
func (a *away) deliver(ctx context.Context) error {
	past := a.next
	intent := Intent{N: a.Driver.attempts.Add(1), At: time.Now().UTC(), Past: past}
	if err := a.Driver.journal.Write(intent); err != nil {
		return err
	}
	lanes := make([][]stream.Record, partitions)
	for _, v := range past.Visits {
		lane := event.Lane([]byte(v.ID), partitions)
		lanes[lane] = append(lanes[lane], stream.Record{Key: []byte(v.ID), Spool: a.spool})
		value, err := past.event(v)
		if err != nil {
			return err
		}
		lanes[lane][len(lanes[lane])-1].Value = value
	}
	for lane, records := range lanes {
		for n := range records {
			records[n].Seq = a.seq[lane] - uint64(len(records)-1-n)
		}
		if len(records) == 0 {
			continue
		}
		err := again(ctx, "sending clicks of days that are over", func(ctx context.Context) error { return a.kafka.Produce(ctx, event.Touches, lane, records) })
		if err != nil {
			return err
		}
	}
	return nil
}

// event is a click as trackers write it.
func (p *Past) event(v model.Visit) ([]byte, error) {
	e, err := event.New(v.At, v.At)
	if err != nil {
		return nil, err
	}
	link := p.Links[v.Link]
	c := &event.Click{
		ClickId: v.ID, MerchantId: p.Program.Merchant, ProgramId: link.Program, PartnerId: link.Partner, LinkId: v.Link,
		Sub1: awayName, Country: v.Country, Device: v.Device,
	}
	if v.Marked {
		c.Marks = event.MarkDuplicate
	}
	e.Body = &event.Event_Click{Click: c}
	value, err := e.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("writing a click: %w", err)
	}
	return value, nil
}
