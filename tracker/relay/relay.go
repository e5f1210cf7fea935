// Package relay carries records from the tracker's spool to Kafka: step 2 of a click's life.
//
// A lane of the spool is a partition of a topic, and a goroutine of its own sends it: one request at a time, the next
// only when all replicas have acknowledged the last. Whatever goes wrong, the same records are sent again, for ever.
// So the log may hold records twice, but their first appearances are in the order of the lane and without a hole, and
// a consumer tells the copies by the sequence number that each record carries (package position).
//
// One goroutine reads the spool for all lanes and hands records to their queues, which share a budget of memory. When
// Kafka is down the budget fills and the reader waits; nothing is lost, the spool keeps it. When a single lane is stuck
// while Kafka answers others, its queue is dropped and the lane reads the spool by itself, from where it was
// acknowledged, until it has caught up with the common reader.
//
// Where each lane is stands in a small file, written once a second: losing it only means that records are sent again.
// Acknowledged segments stay in the spool for a while, so Rewind can fill a Kafka that has lost them.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/tracker/spool"
)

// Config is what a relay is made of.
type Config struct {
	Spool *spool.Spool
	Kafka *stream.Client
	// Partitions is the number P of partitions of each topic: lanes 0 to P-1 of the spool are those of touches, and P
	// to 2P-1 those of orders.
	Partitions int
	// File holds where each lane is.
	File string
	// Memory bounds the bytes of records that wait for Kafka; 16 MiB when 0, more than a request for each of 12 lanes.
	Memory int64
	Log    *slog.Logger
	// Metrics registers the figures; none are registered without one.
	Metrics prometheus.Registerer
}

const (
	defaultMemory = 16 << 20
	saveEvery     = time.Second
	pruneEvery    = 10 * time.Second
	// readAgain is how long the reader waits before it asks a damaged spool again.
	readAgain  = 30 * time.Second
	lookEvery  = time.Second
	probeLimit = 5 * time.Second
)

// limits are times that tests cannot wait for.
type limits struct {
	// stuckAfter is for how long a lane must have failed before it has to read for itself.
	stuckAfter time.Duration
	// parkedPause is how long a request that Kafka refused for good is kept back before it is tried once more: whoever
	// removes the cause need not restart anything.
	parkedPause time.Duration
}

// ErrShortened says that the spool holds less than was sent from it: it has lost its end, or was restored from an older
// copy. It would number new records like old ones, which consumers drop. Move the folder away, so that a new spool
// begins, and the cursor file with it.
var ErrShortened = errors.New("the spool is shorter than what was sent from it")

// Relay carries one spool to one Kafka.
type Relay struct {
	cfg   Config
	id    spool.ID
	lanes []*lane

	queued atomic.Int64  // bytes that wait for Kafka
	freed  chan struct{} // of capacity one: some of them have gone
	chunks sync.Pool     // of *chunk
	limits limits

	metrics *metrics

	sent    atomic.Uint64
	retries atomic.Uint64
	missing atomic.Uint64
	damaged atomic.Bool

	mu sync.Mutex
	at spool.Cursor // how far the common reader is
}

// New makes a relay; Run starts it.
func New(cfg Config) *Relay {
	if cfg.Memory == 0 {
		cfg.Memory = defaultMemory
	}
	r := &Relay{
		cfg: cfg, id: cfg.Spool.ID(), freed: make(chan struct{}, 1),
		limits: limits{stuckAfter: 5 * time.Second, parkedPause: 30 * time.Second},
	}
	for i := range 2 * cfg.Partitions {
		topic := event.Touches
		if i >= cfg.Partitions {
			topic = event.Orders
		}
		l := &lane{relay: r, index: i, topic: topic, partition: i % cfg.Partitions, wake: make(chan struct{}, 1)}
		l.log = cfg.Log.With("topic", topic, "partition", l.partition)
		r.lanes = append(r.lanes, l)
	}
	r.metrics = newMetrics(r, cfg.Metrics)
	return r
}

// Run sends what the spool holds and what is appended to it until ctx ends. It gives ErrShortened, or an error when the
// cursor file cannot be read; what goes wrong later is tried again for as long as it takes.
func (r *Relay) Run(ctx context.Context) error {
	start, err := r.restore()
	if err != nil {
		return err
	}
	r.publish(start)
	var running sync.WaitGroup
	running.Go(func() { r.read(ctx, start) })
	for _, l := range r.lanes {
		running.Go(func() { l.run(ctx) })
	}
	r.keepPlaces(ctx)
	running.Wait()
	return r.save()
}

// restore sets the lanes to where the file says they are, and gives the lowest of these places.
func (r *Relay) restore() (spool.Cursor, error) {
	held := r.cfg.Spool.Sequences()
	if len(held) != len(r.lanes) {
		return spool.Cursor{}, fmt.Errorf("starting the relay: the spool has %d lanes, and %d partitions need %d", len(held), r.cfg.Partitions, len(r.lanes))
	}
	saved, err := readPlaces(r.cfg.File)
	if err != nil {
		return spool.Cursor{}, err
	}
	if saved == nil || saved.Spool != r.id {
		r.cfg.Log.Info("no cursors of this spool; sending everything that it keeps", "spool", r.id.String())
		for _, l := range r.lanes {
			l.restore(nil)
		}
		return spool.Cursor{}, nil
	}
	if len(saved.Lanes) != len(r.lanes) {
		return spool.Cursor{}, fmt.Errorf("reading %s: it has %d lanes, and the spool has %d", r.cfg.File, len(saved.Lanes), len(r.lanes))
	}
	lowest := saved.Lanes[0].Cursor
	for i, l := range r.lanes {
		p := saved.Lanes[i]
		if p.Sent > held[i] {
			return spool.Cursor{}, fmt.Errorf("%w: lane %d was sent up to sequence %d, and ends at %d", ErrShortened, i, p.Sent, held[i])
		}
		l.restore(&p)
		if p.Cursor.Compare(lowest) < 0 {
			lowest = p.Cursor
		}
	}
	return lowest, nil
}

// keepPlaces writes down how far the lanes are, and lets the spool forget what is acknowledged and old, until ctx ends.
func (r *Relay) keepPlaces(ctx context.Context) {
	save, prune := time.NewTicker(saveEvery), time.NewTicker(pruneEvery)
	defer save.Stop()
	defer prune.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-save.C:
			err = r.save()
		case now := <-prune.C:
			err = r.cfg.Spool.Prune(r.lowest(), now)
		}
		if err != nil {
			r.cfg.Log.Error("cannot save the relay's cursors; retrying", "error", err)
		}
	}
}

// publish tells how far the common reader is.
func (r *Relay) publish(at spool.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = at
}

// read hands what the spool holds to the lanes until ctx ends or the spool is closed.
func (r *Relay) read(ctx context.Context, start spool.Cursor) {
	reader, err := openReader(r.cfg.Spool, start)
	for err != nil {
		if !r.cannotRead(ctx, err) {
			return
		}
		reader, err = openReader(r.cfg.Spool, start)
	}
	defer func() { _ = reader.Close() }()
	for n := 1; ; n++ {
		record, found, err := reader.Poll()
		if err == nil && !found {
			r.publish(reader.Position())
			record, err = reader.Next(ctx)
		}
		if err != nil {
			if !r.cannotRead(ctx, err) {
				return
			}
			continue
		}
		r.damaged.Store(false)
		r.lanes[record.Lane].put(record)
		full := r.queued.Load() >= r.cfg.Memory
		if full || n%1024 == 0 {
			r.publish(record.Cursor)
		}
		if full && !r.awaitRoom(ctx) {
			return
		}
	}
}

// openReader begins at a place, or at the oldest record kept where the place is no longer kept: nothing is pruned that
// was not acknowledged.
func openReader(s *spool.Spool, at spool.Cursor) (*spool.Reader, error) {
	reader, err := s.Reader(at)
	if errors.Is(err, spool.ErrPruned) {
		reader, err = s.Reader(spool.Cursor{})
	}
	if err != nil {
		return nil, fmt.Errorf("reading the spool: %w", err)
	}
	return reader, nil
}

// cannotRead waits before the spool is asked again, or gives false when there is no point in it.
func (r *Relay) cannotRead(ctx context.Context, err error) (again bool) {
	if ctx.Err() != nil || errors.Is(err, spool.ErrClosed) {
		return false
	}
	if !r.damaged.Swap(true) {
		r.cfg.Log.Error("the spool cannot be read: nothing after this point is sent", "error", err)
	}
	return sleep(ctx, readAgain)
}

// awaitRoom waits until records have gone to Kafka, or gives false when ctx ends.
func (r *Relay) awaitRoom(ctx context.Context) bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for r.queued.Load() >= r.cfg.Memory {
		select {
		case <-ctx.Done():
			return false
		case <-r.freed:
		case <-look.C:
			r.detachStuck(ctx)
		}
	}
	return true
}

// detachStuck lets lanes that have failed for a while read for themselves, if Kafka answers for one that has not.
func (r *Relay) detachStuck(ctx context.Context) {
	var stuck, sound []*lane
	for _, l := range r.lanes {
		switch failing, waiting := l.health(); {
		case failing == 0:
			sound = append(sound, l)
		case failing > r.limits.stuckAfter && waiting:
			stuck = append(stuck, l)
		}
	}
	if len(stuck) == 0 || !r.answers(ctx, sound) {
		return
	}
	for _, l := range stuck {
		l.detach()
	}
}

// answers tells whether Kafka answers for one of the lanes.
func (r *Relay) answers(ctx context.Context, lanes []*lane) bool {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	for _, l := range lanes {
		if _, _, err := r.cfg.Kafka.Offsets(ctx, l.topic, l.partition); err == nil {
			return true
		}
	}
	return false
}

// free gives back memory of records that have gone.
func (r *Relay) free(bytes int64) {
	r.queued.Add(-bytes)
	select {
	case r.freed <- struct{}{}:
	default: // the reader has been told and has not looked yet
	}
}

// Stats are the figures of a relay at one moment.
type Stats struct {
	// Sent counts acknowledged records, Retries requests that had to be sent again, both since the start.
	Sent, Retries uint64
	// Missing counts records that the spool should hold and does not, since the start: consumers halt where they were.
	Missing uint64
	// Unsent counts records on disk that Kafka has not acknowledged. Oldest is when the first of those that the relay has in
	// hand was received; zero if it has none.
	Unsent uint64
	Oldest time.Time
	// Queued are the bytes that wait for Kafka in memory, Backlog those behind the lowest lane in the spool's files.
	Queued, Backlog int64
	// Failing lanes have a request that Kafka does not take, parked ones a request that Kafka refuses for good. Detached
	// ones read the spool by themselves.
	Failing, Parked, Detached int
	// Damaged is set while the spool cannot be read.
	Damaged bool
	// Acknowledged holds the last sequence that Kafka has of each lane.
	Acknowledged []uint64
}

// Stats gives the present figures.
func (r *Relay) Stats() Stats {
	s := Stats{
		Sent: r.sent.Load(), Retries: r.retries.Load(), Missing: r.missing.Load(), Queued: r.queued.Load(),
		Backlog: r.cfg.Spool.Backlog(r.lowest()), Damaged: r.damaged.Load(),
	}
	for _, l := range r.lanes {
		l.report(&s)
	}
	for lane, last := range r.cfg.Spool.Sequences() {
		s.Unsent += last - min(last, s.Acknowledged[lane])
	}
	s.Oldest = r.oldest()
	return s
}

// sleep waits, or gives false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
