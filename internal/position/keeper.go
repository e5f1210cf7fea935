package position

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/stream"
)

// A process that dies leaves its partitions to others after at most lease + look.
const (
	lease = 8 * time.Second
	look  = time.Second
	// A partition whose work came back is tried again after firstPause, doubled each time it comes back within
	// steady, up to lastPause.
	firstPause = time.Second
	lastPause  = 30 * time.Second
	steady     = time.Minute
)

// Keeper holds a fair share of the partitions of one topic for one consumer in one process.
type Keeper struct {
	db         *pgxpool.Pool
	consumer   string
	topic      string
	partitions int
	owner      string
	keys       []int16
	log        *slog.Logger

	mu    sync.Mutex
	stats Stats
}

// Stats counts what a keeper has seen; the first two are of now, the others since its start.
type Stats struct {
	// Held partitions are this process's own, halted ones among them.
	Held int
	// Halted counts the halted partitions of the topic, whoever holds them.
	Halted int
	// Claims counts partitions taken over, Losses those that another process took while they were held here.
	Claims, Losses int64
	// Gaps counts the halts that this process ordered, Failures the other errors that work came back with.
	Gaps, Failures int64
}

// NewKeeper makes a keeper. consumer is "loader" or "engine"; topic has no prefix; owner names this process and must
// be unlike that of any other, also of an earlier run.
func NewKeeper(db *pgxpool.Pool, consumer, topic string, partitions int, owner string, log *slog.Logger) *Keeper {
	return &Keeper{
		db: db, consumer: consumer, topic: topic, partitions: partitions, owner: owner,
		log: log.With("consumer", consumer, "topic", topic),
	}
}

// WithKeys tells by which keys the work judges records (stream.Client.KeyIDs): a partition that is halted for want of one
// of them goes on here.
func (k *Keeper) WithKeys(ids []int16) *Keeper {
	k.keys = ids
	return k
}

// Stats gives the present counts.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

func (k *Keeper) count(change func(s *Stats)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.stats)
}

// Run claims this process's share of the partitions, renews their leases, and runs work for each in a goroutine of
// its own until ctx ends. The context of work ends when its lease is lost or its partition goes to another process.
// When work returns a gap (IsGap) the partition is halted; after any other return it is
// released and tried again after a pause. Run returns nil once every work has returned and every lease is released.
func (k *Keeper) Run(ctx context.Context, work func(ctx context.Context, h Held) error) error {
	r := &round{
		Keeper: k, work: work,
		tenures: make(map[int]*tenure),
		ended:   make(chan outcome, k.partitions),
		pauses:  make(map[int]pause),
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	away := false
	for ctx.Err() == nil {
		err := r.once(ctx)
		switch {
		case err != nil && !away && ctx.Err() == nil:
			k.log.Warn("cannot renew leases; retrying", "error", err)
		case err == nil && away:
			k.log.Info("renewing leases again")
		}
		away = err != nil
		r.wait(ctx, tick.C)
	}
	r.stop(ctx)
	return nil
}

// tenure is a partition that this process holds.
type tenure struct {
	held Held
	// cancel ends the running work; nil while none runs.
	cancel context.CancelFunc
	// expiry ends the work when the lease could not be renewed in time.
	expiry *time.Timer
	since  time.Time
	// leaving is set when the partition is to be released once its work has returned, lost when it is another's.
	leaving, lost bool
}

// outcome is what the work of a partition came back with.
type outcome struct {
	partition int
	err       error
}

// pause keeps a partition whose work came back from being claimed at once.
type pause struct {
	until time.Time
	next  time.Duration
}

// round is the state of one Run; only its goroutine touches it.
type round struct {
	*Keeper

	work    func(ctx context.Context, h Held) error
	tenures map[int]*tenure
	ended   chan outcome
	pauses  map[int]pause
	ready   bool
}

// once brings what this process does in line with what the database says, and its share in line with what is fair.
func (r *round) once(ctx context.Context) error {
	asked := time.Now()
	query, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	if !r.ready {
		if err := r.prepare(query); err != nil {
			return err
		}
		r.ready = true
	}
	view, err := r.look(query)
	if err != nil {
		return err
	}
	r.follow(ctx, view, asked)
	if err := r.disown(query, view); err != nil {
		return err
	}
	if err := r.shrink(query, fair(r.partitions, view.owners, r.owner)); err != nil {
		return err
	}
	return r.grow(ctx, query, fair(r.partitions, view.owners, r.owner), asked)
}

// disown releases what the database says is held here but is not: the answer to a claim was lost.
func (r *round) disown(ctx context.Context, v view) error {
	for _, row := range v.rows {
		if row.owner != r.owner || r.tenures[row.partition] != nil {
			continue
		}
		if err := r.release(ctx, Held{Consumer: r.consumer, Topic: r.topic, Partition: row.partition, Epoch: row.epoch}); err != nil {
			return err
		}
	}
	return nil
}

// follow ends the work of partitions that were lost or halted, and starts that of partitions which go on.
func (r *round) follow(ctx context.Context, v view, asked time.Time) {
	halted := 0
	for _, row := range v.rows {
		if row.halted {
			halted++
		}
		t := r.tenures[row.partition]
		if t == nil {
			continue
		}
		switch {
		case row.owner != r.owner || row.epoch != t.held.Epoch:
			r.lose(t)
		case row.halted:
			t.end()
		case t.cancel == nil && !t.leaving:
			r.start(ctx, t, asked)
		case t.expiry != nil:
			t.expiry.Reset(time.Until(asked.Add(lease)))
		}
	}
	r.count(func(s *Stats) { s.Held, s.Halted = len(r.tenures), halted })
}

// lose gives up a partition that another process has taken.
func (r *round) lose(t *tenure) {
	if t.lost {
		return
	}
	t.lost = true
	r.log.Warn("lease lost", "partition", t.held.Partition, "epoch", t.held.Epoch)
	r.count(func(s *Stats) { s.Losses++ })
	t.end()
	if t.cancel == nil {
		delete(r.tenures, t.held.Partition)
	}
}

// end asks the running work to return.
func (t *tenure) end() {
	if t.cancel != nil {
		t.cancel()
	}
}

// start runs the work of a partition until it returns or its lease runs out.
func (r *round) start(ctx context.Context, t *tenure, asked time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	t.cancel, t.since = cancel, time.Now()
	t.expiry = time.AfterFunc(time.Until(asked.Add(lease)), cancel)
	go func() {
		defer cancel()
		r.ended <- outcome{t.held.Partition, r.work(ctx, t.held)}
	}()
}

// shrink ends the work of partitions above the target, and releases those whose work has returned.
func (r *round) shrink(ctx context.Context, target int) error {
	staying := r.staying()
	for partition := r.partitions - 1; partition >= 0 && staying > target; partition-- {
		if t := r.tenures[partition]; t != nil && !t.leaving && !t.lost {
			staying--
			t.leaving = true
			t.end()
		}
	}
	for partition, t := range r.tenures {
		if !t.leaving || t.lost || t.cancel != nil {
			continue
		}
		if err := r.release(ctx, t.held); err != nil {
			return err
		}
		delete(r.tenures, partition)
	}
	return nil
}

// staying is how many partitions this process holds and means to keep.
func (r *round) staying() int {
	n := 0
	for _, t := range r.tenures {
		if !t.leaving && !t.lost {
			n++
		}
	}
	return n
}

// grow claims partitions up to the target and starts their work.
func (r *round) grow(ctx, query context.Context, target int, asked time.Time) error {
	missing := target - r.staying()
	if missing <= 0 {
		return nil
	}
	except := make([]int, 0, r.partitions)
	for partition := range r.partitions {
		if r.tenures[partition] != nil || asked.Before(r.pauses[partition].until) {
			except = append(except, partition)
		}
	}
	claimed, err := r.claim(query, missing, except)
	if err != nil {
		return err
	}
	for _, row := range claimed {
		t := &tenure{held: Held{Consumer: r.consumer, Topic: r.topic, Partition: row.partition, Epoch: row.epoch}}
		r.tenures[row.partition] = t
		r.log.Info("partition claimed", "partition", row.partition, "epoch", row.epoch, "halted", row.halted)
		r.count(func(s *Stats) { s.Claims++; s.Held = len(r.tenures) })
		if !row.halted {
			r.start(ctx, t, asked)
		}
	}
	return nil
}

// fair is how many of the partitions the owner should hold, given the sorted names of all: the parts of all owners
// sum to the whole and differ by one at most.
func fair(partitions int, owners []string, owner string) int {
	rank := len(owners)
	for i, o := range owners {
		if o == owner {
			rank = i
		}
	}
	if rank == len(owners) {
		return 0
	}
	part := partitions / len(owners)
	if rank < partitions%len(owners) {
		part++
	}
	return part
}

// wait returns at the next tick, or when ctx ends; work that comes back in the meantime is taken note of at once.
func (r *round) wait(ctx context.Context, tick <-chan time.Time) {
	for {
		select {
		case <-tick:
			return
		case <-ctx.Done():
			return
		case o := <-r.ended:
			r.finish(ctx, o)
		}
	}
}

// finish takes note that the work of a partition has returned.
func (r *round) finish(ctx context.Context, o outcome) {
	t := r.tenures[o.partition]
	t.expiry.Stop()
	t.cancel, t.expiry = nil, nil
	if t.lost {
		delete(r.tenures, o.partition)
		return
	}
	if t.leaving || ctx.Err() != nil {
		t.leaving = true
		return
	}
	if IsGap(o.err) {
		err := t.held.Halt(ctx, r.db, o.err)
		if err == nil {
			r.count(func(s *Stats) { s.Gaps++ })
			r.log.Error("partition halted: something is missing, operator action required", "partition", o.partition, "error", o.err)
			return
		}
		o.err = errors.Join(o.err, err)
	}
	if errors.Is(o.err, ErrHalted) {
		return // follow starts it again when it is resumed
	}
	t.leaving = true
	p := r.pauses[o.partition]
	if p.next == 0 || time.Since(t.since) > steady {
		p.next = firstPause
	}
	p.until = time.Now().Add(p.next)
	p.next = min(2*p.next, lastPause)
	r.pauses[o.partition] = p
	if o.err != nil && !errors.Is(o.err, context.Canceled) {
		r.count(func(s *Stats) { s.Failures++ })
		r.log.Warn("partition released; retrying after a pause", "partition", o.partition, "pause", time.Until(p.until).Round(time.Millisecond), "error", o.err)
	}
}

// IsGap tells whether err says that something is missing: records, in the log or in a spool's sequence, the log itself, the
// key of a record, or commits of PostgreSQL.
func IsGap(err error) bool {
	var sequence *GapError
	var offset *stream.GapError
	var recreated *stream.RecreatedError
	var behind *BehindError
	var key *KeyError
	return errors.As(err, &key) || errors.As(err, &sequence) || errors.As(err, &offset) || errors.As(err, &recreated) || errors.As(err, &behind)
}

// stop ends all work, waits for it, and releases the partitions so that others can go on at once.
func (r *round) stop(ctx context.Context) {
	running := 0
	for _, t := range r.tenures {
		if t.cancel != nil {
			running++
			t.end()
		}
	}
	for range running {
		r.finish(ctx, <-r.ended)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease/2)
	defer cancel()
	if err := r.leave(ctx); err != nil {
		r.log.Warn("leases cannot be released; they expire", "error", fmt.Errorf("releasing them: %w", err))
	}
	r.count(func(s *Stats) { s.Held = 0 })
}
