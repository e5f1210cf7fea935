package relay

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"tributary/internal/fault/inject"
	"tributary/internal/stream"
	"tributary/tracker/spool"
)

// A request is at most this large: a broker takes 1 MiB unless told otherwise, and one more record must fit.
const (
	maxRecords = 2000
	maxBytes   = 768 << 10
)

const (
	// pace is how long a lane gathers records after a request, unless a whole one has gathered sooner: at a high rate a
	// request has hundreds of records, at a low one a record waits for nothing.
	pace = 10 * time.Millisecond
	// busyPace is the same after a request of busyRecords: a lane that gets thousands of records a second saves the work of
	// most of its requests, and its Kafka most of its fsyncs, while its records wait as long as one look of a person.
	busyPace     = 100 * time.Millisecond
	busyRecords  = 50
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// chunk holds the records of one request.
type chunk struct {
	records []stream.Record
	block   []byte   // what the keys and values of the last records are made of
	former  [][]byte // the same of those before them
	spare   [][]byte // blocks that are not in use
	bytes   int      // what they take in a request
	charged int64    // what they take of the relay's memory
	end     spool.Cursor
}

func (c *chunk) full() bool { return len(c.records) >= maxRecords || c.bytes >= maxBytes }

// last is the sequence of the last record.
func (c *chunk) last() uint64 { return c.records[len(c.records)-1].Seq }

// blockBytes is the size of most blocks. A block never grows, or its records would keep what it was before in memory, too.
const blockBytes = 32 << 10

// recordMemory is what a record takes besides its bytes.
const recordMemory = 160

// add copies a record and gives the memory that it takes.
func (c *chunk) add(e spool.Record, id spool.ID) int64 {
	const halfBlock = blockBytes / 2
	charge := int64(0)
	if size := len(e.Payload) + maxKeyBytes(e.Payload); c.reserve(size) && size > halfBlock {
		charge = int64(size) // it has a block of its own, or leaves half of one empty
	}
	start := len(c.block)
	c.block = append(c.block, e.Payload...)
	value := c.block[start:len(c.block):len(c.block)]
	var key []byte
	c.block, key = appendKey(c.block, value)
	c.records = append(c.records, stream.Record{Key: key, Value: value, Spool: id, Seq: e.Seq})
	c.bytes += len(key) + len(value) + stream.Overhead
	c.end = e.Cursor
	return max(charge, int64(len(c.block)-start)) + recordMemory
}

// reserve begins another block where this one has no room for so many bytes, and tells whether it did.
func (c *chunk) reserve(size int) (begun bool) {
	if cap(c.block)-len(c.block) >= size {
		return false
	}
	if c.block != nil {
		c.former = append(c.former, c.block)
	}
	if n := len(c.spare); n > 0 && cap(c.spare[n-1]) >= size {
		c.block, c.spare = c.spare[n-1], c.spare[:n-1]
		return true
	}
	c.block = make([]byte, 0, max(size, blockBytes))
	return true
}

// reset forgets the records and keeps the memory.
func (c *chunk) reset() {
	clear(c.records)
	spare := c.spare
	for _, b := range append(c.former, c.block) {
		if cap(b) == blockBytes {
			spare = append(spare, b[:0])
		}
	}
	clear(c.former)
	*c = chunk{records: c.records[:0], former: c.former[:0], spare: spare}
}

// lane sends one lane of the spool to one partition.
type lane struct {
	relay     *Relay
	index     int
	topic     string
	partition int
	log       *slog.Logger
	wake      chan struct{} // of capacity one: there is something to send

	// Only the lane's own goroutine uses these.
	reader *spool.Reader // while detached
	next   time.Time     // when a request may go that is not full

	mu sync.Mutex
	// place is behind the last acknowledged record.
	place place
	// queue holds records that wait; only its last chunk grows.
	queue []*chunk
	// last is the sequence of the last record queued, taken of the last one handed to the sender.
	last, taken uint64
	// fresh is set until the first record of a lane of which nothing is known.
	fresh bool
	// sending is set while the sender has records that are not acknowledged.
	sending bool
	// since is when the first of those was received, in microseconds.
	since int64
	// detached is set while the lane reads for itself; skipped is behind the last record that it was not given meanwhile.
	detached bool
	skipped  spool.Cursor
	// failing is since when Kafka does not take the present request, zero if it does.
	failing time.Time
	parked  bool
}

// restore sets the lane to a place written down earlier, or, without one, to the first record that the spool keeps.
func (l *lane) restore(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p == nil {
		l.fresh = true
		return
	}
	l.place, l.last, l.taken = *p, p.Sent, p.Sent
}

// put queues a record, unless the lane has it or reads for itself.
func (l *lane) put(e spool.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Seq <= l.last {
		return
	}
	if l.detached {
		l.skipped = e.Cursor
		return
	}
	l.follow(e.Seq)
	if len(l.queue) == 0 || l.queue[len(l.queue)-1].full() {
		l.queue = append(l.queue, l.relay.newChunk())
	}
	c := l.queue[len(l.queue)-1]
	size := c.add(e, l.relay.id)
	c.charged += size
	l.relay.queued.Add(size)
	if len(c.records) == 1 || c.full() {
		l.rouse()
	}
}

// follow notes the sequence of the next record. Behind a salvage, or a rewind to what is not kept, some may be missing:
// they cannot be sent, and the consumers find out.
func (l *lane) follow(seq uint64) {
	if lost := seq - l.last - 1; lost > 0 && !l.fresh {
		l.relay.missing.Add(lost)
		l.log.Error("the spool does not hold all records of a lane; consumers will halt there", "lane", l.index, "after", l.last, "lost", lost)
	}
	l.last, l.fresh = seq, false
}

func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default: // it has been told and has not looked yet
	}
}

func (r *Relay) newChunk() *chunk {
	if c, ok := r.chunks.Get().(*chunk); ok {
		return c
	}
	return &chunk{}
}

// recycle keeps the memory of a chunk for a later one.
func (r *Relay) recycle(c *chunk) {
	c.reset()
	r.chunks.Put(c)
}

// run sends until ctx ends.
func (l *lane) run(ctx context.Context) {
	defer func() {
		if l.reader != nil {
			_ = l.reader.Close()
		}
	}()
	for {
		c := l.take(ctx)
		if c == nil || !l.deliver(ctx, c.records) {
			return
		}
		l.acknowledge(c)
		inject.Reach(inject.RelayAfterAck)
	}
}

// take gives the next request's records, or nil when ctx ends.
func (l *lane) take(ctx context.Context) *chunk {
	for ctx.Err() == nil {
		l.mu.Lock()
		detached, waiting := l.detached, len(l.queue) > 0
		wait := time.Until(l.next)
		if !detached && waiting && (wait <= 0 || l.queue[0].full()) {
			c := l.queue[0]
			l.queue[0] = nil
			l.queue = l.queue[1:]
			l.hold(c)
			l.mu.Unlock()
			l.next = time.Now().Add(paceAfter(len(c.records)))
			return c
		}
		l.mu.Unlock()
		switch {
		case detached:
			if c := l.gather(ctx); c != nil {
				return c
			}
		case waiting:
			l.await(ctx, wait)
		default:
			select {
			case <-l.wake:
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func paceAfter(records int) time.Duration {
	if records >= busyRecords {
		return busyPace
	}
	return pace
}

// hold notes that the sender has the chunk. The caller holds the lock.
func (l *lane) hold(c *chunk) {
	l.sending, l.taken, l.since = true, c.last(), receipt(c.records)
}

// await waits for a while or until there may be more.
func (l *lane) await(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.wake:
	case <-ctx.Done():
	}
}

// deliver sends records until Kafka has them, or gives false when ctx ends.
func (l *lane) deliver(ctx context.Context, records []stream.Record) bool {
	backoff := firstBackoff
	for {
		inject.Reach(inject.RelayBeforeProduce)
		began := time.Now()
		err := l.relay.cfg.Kafka.Produce(ctx, l.topic, l.partition, records)
		if err == nil {
			l.relay.metrics.acknowledged(l.topic, len(records), time.Since(began))
			inject.Reach(inject.RelayAfterProduce)
			l.recovered()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		l.relay.retries.Add(1)
		if half := len(records) / 2; half > 0 && stream.IsTooLarge(err) {
			return l.deliver(ctx, records[:half]) && l.deliver(ctx, records[half:])
		}
		permanent := stream.IsPermanent(err)
		l.failed(err, permanent)
		// From half of it to one and a half, so that lanes do not come together.
		pause := backoff/2 + rand.N(backoff) //nolint:gosec // chance, not a secret
		backoff = min(2*backoff, lastBackoff)
		if permanent {
			pause = l.relay.limits.parkedPause
		}
		if !sleep(ctx, pause) {
			return false
		}
	}
}

// failed notes that Kafka did not take a request.
func (l *lane) failed(err error, permanent bool) {
	l.mu.Lock()
	first, parks := l.failing.IsZero(), permanent && !l.parked
	if first {
		l.failing = time.Now()
	}
	l.parked = permanent
	l.mu.Unlock()
	switch {
	case parks:
		l.log.Error("lane parked: Kafka refuses its next request, which is retried and never skipped", "error", err)
	case first:
		l.log.Warn("Kafka does not accept a request; retrying until it does", "error", err)
	}
}

// recovered notes that Kafka took a request.
func (l *lane) recovered() {
	l.mu.Lock()
	since := l.failing
	l.failing, l.parked = time.Time{}, false
	l.mu.Unlock()
	if !since.IsZero() {
		l.log.Info("Kafka accepts requests again", "after", time.Since(since).Round(time.Millisecond))
	}
}

// acknowledge notes that Kafka has a request.
func (l *lane) acknowledge(c *chunk) {
	l.mu.Lock()
	l.place = place{Cursor: c.end, Sent: c.last()}
	l.sending = false
	l.mu.Unlock()
	l.relay.sent.Add(uint64(len(c.records)))
	l.relay.free(c.charged)
	l.relay.recycle(c)
}

// health tells for how long the lane has failed, 0 if it does not, and whether records wait in its queue.
func (l *lane) health() (failing time.Duration, waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.failing.IsZero() {
		failing = max(time.Since(l.failing), 1)
	}
	return failing, len(l.queue) > 0
}

// detach drops the queue: from now on the lane reads the spool by itself.
func (l *lane) detach() {
	l.mu.Lock()
	dropped := int64(0)
	for _, c := range l.queue {
		dropped += c.charged
		l.skipped = c.end
	}
	l.queue, l.last, l.detached = nil, l.taken, true
	l.mu.Unlock()
	l.log.Warn("lane reads the spool by itself: it is behind the others, and the memory is full", "bytes", dropped)
	l.relay.free(dropped)
	l.rouse()
}

// gather reads the next request's records from the spool. It gives nil when there are none, which leaves the lane to
// the common reader again, or when ctx ends.
func (l *lane) gather(ctx context.Context) *chunk {
	c := l.relay.newChunk()
	for n := 1; ctx.Err() == nil && !c.full(); n++ {
		record, found, err := l.poll()
		if err != nil {
			if !l.relay.cannotRead(ctx, err) {
				return nil
			}
			continue
		}
		if found && record.Lane == l.index {
			l.adopt(c, record)
		}
		if (!found || n%256 == 0) && l.attach(c) {
			break
		}
	}
	if len(c.records) == 0 {
		l.relay.recycle(c)
		return nil
	}
	l.mu.Lock() // where it has attached, it holds them already
	defer l.mu.Unlock()
	l.hold(c)
	return c
}

// poll reads the next record of the lane's own reader.
func (l *lane) poll() (spool.Record, bool, error) {
	if l.reader == nil {
		l.mu.Lock()
		at := l.place.Cursor
		l.mu.Unlock()
		reader, err := openReader(l.relay.cfg.Spool, at)
		if err != nil {
			return spool.Record{}, false, err
		}
		l.reader = reader
	}
	record, found, err := l.reader.Poll()
	if errors.Is(err, spool.ErrClosed) {
		err = nil // all is read
	}
	return record, found, err //nolint:wrapcheck // cannotRead says what it is about
}

// adopt takes a record that the lane has read itself.
func (l *lane) adopt(c *chunk, e spool.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Seq > l.last {
		l.follow(e.Seq)
		c.add(e, l.relay.id)
	}
}

// attach leaves the lane to the common reader if it has read all that it was not given. What it has in hand then is held at
// the same moment: a lane without records is taken to be as far as the common reader.
func (l *lane) attach(c *chunk) bool {
	l.mu.Lock()
	if l.reader.Position().Compare(l.skipped) < 0 {
		l.mu.Unlock()
		return false
	}
	if len(c.records) > 0 {
		l.hold(c)
	}
	l.detached = false
	l.mu.Unlock()
	_ = l.reader.Close()
	l.reader = nil
	l.log.Info("lane has caught up")
	return true
}

// report adds the lane to the figures of the relay.
func (l *lane) report(s *Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Acknowledged = append(s.Acknowledged, l.place.Sent)
	if !l.failing.IsZero() {
		s.Failing++
	}
	if l.parked {
		s.Parked++
	}
	if l.detached {
		s.Detached++
	}
}
