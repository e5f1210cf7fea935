// Package spool is the tracker's durable outbox: the end of step 1 of the life of a click, where an event is on the disk
// before it is answered, and the start of step 2, where the relay reads it from here on its way to Kafka.
//
// Append hands over a record and returns at once with a Ticket. One goroutine, Run, writes all that has gathered since it
// last looked, makes it durable with one fdatasync and then answers all those tickets: a group commit. While the disk is
// busy with one group the next one gathers, so the group grows with the load and the disk is asked no more often.
//
// Each lane numbers its records 1, 2, 3... without a gap, over restarts too. With the ID of the spool that is the identity
// of a record, by which whoever reads Kafka drops repetitions and sees losses.
//
// Records are kept in segments, files of about Config.SegmentBytes that are written once, from front to back, by one
// process. Open checks the headers of all segments and every byte of the last one. What stands behind the last commit
// there was never acknowledged and is cut off (a crash leaves such a torn tail). Anything else that is wrong is damage,
// and Open refuses with a DamageError, since going on could number two records alike. The bytes of earlier segments are
// checked as they are read, and by Check: two days of them would take too long at each start. Salvage repairs a damaged
// folder as far as it can be.
//
// Two losses look like something else. If the very last group before a crash is damaged afterwards, it looks like a torn
// tail; a clean stop leaves a mark behind the last group, so this is limited to crashes. And if the newest segments are
// deleted, the spool looks shorter: Reader refuses a cursor beyond its end for this reason. Whoever keeps a cursor or the
// last sequences elsewhere sees both.
//
// The blocking fdatasync keeps a P of the Go scheduler until the scheduler notices: a process with GOMAXPROCS=1 falls to
// a third of the rate and to latencies of a second, so whoever runs a spool sets GOMAXPROCS to 2 at least.
package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What Append and the tickets answer when a record is not stored.
var (
	// ErrTooLarge is for a record of more than MaxPayload bytes.
	ErrTooLarge = errors.New("record is too large for the spool")
	// ErrBusy means that Config.PendingBytes already wait for the disk. The same record may fit a moment later.
	ErrBusy = errors.New("spool is busy")
	// ErrFull means that the disk is fuller than this class of records may find it.
	ErrFull = errors.New("disk of the spool is too full")
	// ErrUnavailable means that the disk refused the record twice, in two files. It is probably not stored.
	ErrUnavailable = errors.New("spool cannot write")
	// ErrClosed means that Run has ended or is about to.
	ErrClosed = errors.New("spool is closed")
	// ErrLate means that a record was not durable in the time that its answer could wait. It normally becomes durable a
	// moment later.
	ErrLate = errors.New("record is not durable yet")
	// ErrLocked is what Open answers while another process has the folder open.
	ErrLocked = errors.New("spool folder is in use")
)

// Class says how early a record has to give way on a disk that fills up.
type Class uint8

// The classes of records.
const (
	Live Class = iota // clicks and orders as they happen: refused at Config.StopAt
	Bulk              // imports that can be repeated later: refused at Config.BatchStopAt
)

// Config is what a spool is opened with. Zero stands for the default, where one is named.
type Config struct {
	Dir          string        // folder of the spool, made if missing; no other process may have it open
	Lanes        int           // number of lanes, 1 to 4096, fixed for the life of the folder
	SegmentBytes int64         // size at which a new segment is begun; 64 MiB, at most 1 GiB
	PendingBytes int           // most bytes that gather for the next commit, beyond which Append answers ErrBusy; 4 MiB, at most 64 MiB
	Keep         time.Duration // how long acknowledged segments are kept, to fill Kafka again; 48 hours
	KeepFraction float64       // share of the volume that they may take; 0.30
	WarnAt       float64       // use of the volume from which the log warns; 0.70
	BatchStopAt  float64       // use of the volume from which Bulk records are refused; 0.85
	StopAt       float64       // use of the volume from which all records are refused; 0.95
	Log          *slog.Logger  // nothing is logged without one

	// Metrics registers the figures; none are registered without one.
	Metrics prometheus.Registerer

	// Volume measures the volume of a folder, in bytes; the operating system is asked by default.
	Volume func(dir string) (used, total int64, err error)
}

const (
	defaultSegmentBytes = 64 << 20
	maxSegmentBytes     = 1 << 30
	defaultPendingBytes = 4 << 20
	maxPendingBytes     = 64 << 20
	defaultKeep         = 48 * time.Hour
	defaultKeepFraction = 0.30
	defaultWarnAt       = 0.70
	defaultBatchStopAt  = 0.85
)

// Full is the share of its volume from which a spool refuses everything, where Config does not say otherwise.
const Full = 0.95

func (c Config) withDefaults() (Config, error) {
	c.SegmentBytes = orDefault(c.SegmentBytes, defaultSegmentBytes)
	c.PendingBytes = orDefault(c.PendingBytes, defaultPendingBytes)
	c.Keep = orDefault(c.Keep, defaultKeep)
	c.KeepFraction = orDefault(c.KeepFraction, defaultKeepFraction)
	c.WarnAt = orDefault(c.WarnAt, defaultWarnAt)
	c.BatchStopAt = orDefault(c.BatchStopAt, defaultBatchStopAt)
	c.StopAt = orDefault(c.StopAt, Full)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Volume == nil {
		c.Volume = VolumeUse
	}
	switch {
	case c.Lanes < 1 || c.Lanes > maxLanes:
		return c, fmt.Errorf("opening spool: %d lanes, want 1 to %d", c.Lanes, maxLanes)
	case c.SegmentBytes < 0 || c.SegmentBytes > maxSegmentBytes:
		return c, fmt.Errorf("opening spool: segments of %d bytes, want at most %d", c.SegmentBytes, maxSegmentBytes)
	case c.PendingBytes < int(frameLength(MaxPayload)) || c.PendingBytes > maxPendingBytes:
		return c, fmt.Errorf("opening spool: %d bytes pending, want %d to %d", c.PendingBytes, frameLength(MaxPayload), maxPendingBytes)
	case c.Keep < 0:
		return c, errors.New("opening spool: Keep is negative")
	case c.KeepFraction < 0 || c.WarnAt < 0 || c.WarnAt > c.BatchStopAt || c.BatchStopAt > c.StopAt || c.StopAt > 1:
		return c, errors.New("opening spool: want 0 <= WarnAt <= BatchStopAt <= StopAt <= 1 and a KeepFraction that is not negative")
	}
	return c, nil
}

func orDefault[T int | int64 | float64 | time.Duration](value, other T) T {
	if value == 0 {
		return other
	}
	return value
}

// Spool is an open spool folder. Append, Reader, Prune and the rest are safe for concurrent use.
type Spool struct {
	cfg  Config
	disk disk
	lock io.Closer
	id   ID
	wake chan struct{} // of capacity one: something is pending
	ran  atomic.Bool
	use  atomic.Uint64 // share of the volume in use, bits of a float64
	free atomic.Int64  // bytes of the volume that are not in use
	stop atomic.Int32  // which classes the volume has room for, a level

	pruning sync.Mutex // one Prune at a time

	mu       sync.Mutex
	pending  *batch
	closed   bool          // no Append any more
	ended    bool          // no commit any more
	segments []segment     // oldest first, without a gap in their numbers; only the last one grows
	next     []uint64      // for each lane the sequence of the next record to be committed
	more     chan struct{} // closed at the next commit; nil while nobody waits for it
	stats    Stats

	metrics *metrics

	// Only the goroutine that commits uses these.
	active     *active
	former     int       // records of the previous group
	stamped    []uint64  // next, as it will be when the group at hand is durable
	spare      []byte    // memory of the previous group
	complained time.Time // of the disk, in the log
}

// segment is one file of the spool.
type segment struct {
	number  uint64
	start   int64 // offset of the first frame
	end     int64 // offset behind the last commit
	created time.Time
}

// batch is what one group commit makes durable.
type batch struct {
	buf     []byte // frames without group, sequence and checksum
	records int
	done    chan struct{}
	err     error // set before done is closed
	soon    soon
}

// soon is for those who cannot wait long for a batch: one timer for all of them, and one channel for what comes first.
type soon struct {
	begin, end sync.Once
	first      chan struct{}
	timer      *time.Timer
}

// within gives a channel that is closed when the batch is done, or when the limit of whoever asked first has passed.
func (b *batch) within(limit time.Duration) <-chan struct{} {
	b.soon.begin.Do(func() {
		b.soon.first = make(chan struct{})
		b.soon.timer = time.AfterFunc(limit, b.soon.over)
	})
	return b.soon.first
}

func (s *soon) over() { s.end.Do(func() { close(s.first) }) }

// finish answers all who wait.
func (b *batch) finish(err error) {
	b.err = err
	close(b.done)
	// Whoever comes to ask only now finds a channel that is closed.
	b.soon.begin.Do(func() { b.soon.first = make(chan struct{}) })
	if b.soon.timer != nil {
		b.soon.timer.Stop()
	}
	b.soon.over()
}

func newBatch(buf []byte) *batch { return &batch{buf: buf[:0], done: make(chan struct{})} }

// Open locks the folder, makes it if it is missing, checks what is in it and cuts off a torn tail. Constructing a spool
// starts nothing: Append only gathers until Run is called. It answers ErrLocked when another process has the folder, and
// a DamageError when a record that was acknowledged may be missing.
func Open(cfg Config) (*Spool, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making spool folder: %w", err)
	}
	lock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s, err := load(cfg, osDisk(cfg.Dir), lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// Close gives the folder free. It is called after Run has returned, or instead of Run by who only reads.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.closed, s.ended = true, true
	s.wakeReaders()
	s.mu.Unlock()
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("unlocking spool: %w", err)
	}
	return nil
}

// ID names this spool.
func (s *Spool) ID() ID { return s.id }

// Append hands over a copy of the payload as the lane's next record and never waits for the disk: the ticket tells when
// it is durable. It answers ErrTooLarge, ErrBusy, ErrFull or ErrClosed, and then nothing is stored.
func (s *Spool) Append(lane int, class Class, payload []byte) (Ticket, error) {
	if lane < 0 || lane >= s.cfg.Lanes {
		return Ticket{}, fmt.Errorf("appending to spool: lane %d of %d", lane, s.cfg.Lanes)
	}
	if len(payload) > MaxPayload {
		return Ticket{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(payload), MaxPayload)
	}
	if !s.level().admits(class) {
		return Ticket{}, ErrFull
	}
	var head [frameHeader]byte
	putFrame(head[:], frame{kind: kindRecord, lane: lane, size: int64(len(payload))})
	length := int(frameLength(int64(len(payload))))

	s.mu.Lock()
	b := s.pending
	switch {
	case s.closed:
		s.mu.Unlock()
		return Ticket{}, ErrClosed
	case len(b.buf)+length > s.cfg.PendingBytes:
		s.mu.Unlock()
		return Ticket{}, ErrBusy
	}
	b.buf = append(b.buf, head[:]...)
	b.buf = append(b.buf, payload...)
	b.buf = append(b.buf, padding[:length-frameHeader-len(payload)]...)
	b.records++
	first := b.records == 1
	s.mu.Unlock()
	if first {
		s.rouse()
	}
	return Ticket{b}, nil
}

const padding = "\x00\x00\x00\x00\x00\x00\x00"

// rouse tells Run that something is pending.
func (s *Spool) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been told and has not looked yet
	}
}

// Ticket stands for one appended record. It is made by Append only.
type Ticket struct{ batch *batch }

// Done is closed when the record is durable or is known not to be; Err then says which.
func (t Ticket) Done() <-chan struct{} { return t.batch.done }

// Err returns nil if the record is durable and ErrUnavailable if not. It may be asked once Done is closed.
func (t Ticket) Err() error { return t.batch.err }

// Wait returns nil when the record is durable, ErrUnavailable when it could not be stored, and the error of the context
// when that ends first; the record then still waits and normally becomes durable.
func (t Ticket) Wait(ctx context.Context) error {
	select {
	case <-t.batch.done:
		return t.batch.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for spool: %w", ctx.Err())
	}
}

// WaitWithin is Wait for those who go on without the answer: it returns ErrLate when the record is not known to be durable
// in time. All who wait so for one group are let go together, with one timer, when the limit of the first has passed: it is
// for callers who have the same limit, of whom some wait less.
func (t Ticket) WaitWithin(limit time.Duration) error {
	<-t.batch.within(limit)
	select {
	case <-t.batch.done:
		return t.batch.err
	default:
		return ErrLate
	}
}

// Stats are the figures of a spool at one moment.
type Stats struct {
	PendingRecords int           // waiting for the next commit
	PendingBytes   int           // the same in bytes
	Segments       int           // files
	Bytes          int64         // in those files, up to the last commit
	Oldest         time.Time     // when the oldest segment was begun; zero if there is none
	Records        uint64        // committed since Open
	Commits        uint64        // groups committed since Open
	Failures       uint64        // writes or syncs that the disk refused since Open
	LastCommit     time.Duration // what the last commit took, from taking the group to its end
	Refused        time.Time     // when the last group was refused; zero if it was stored
	DiskUse        float64       // share of the volume in use, 0 to 1, measured each second
	DiskFree       int64         // bytes of the volume that are not in use, measured each second
}

// Stats returns the figures of this moment.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.PendingRecords, stats.PendingBytes = s.pending.records, len(s.pending.buf)
	stats.Segments = len(s.segments)
	for _, segment := range s.segments {
		stats.Bytes += segment.end
	}
	if len(s.segments) > 0 {
		stats.Oldest = s.segments[0].created
	}
	stats.DiskUse, stats.DiskFree = s.diskUse(), s.free.Load()
	return stats
}

// Sequences returns for each lane the sequence of its last durable record, 0 if it has none.
func (s *Spool) Sequences() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := make([]uint64, len(s.next))
	for lane, next := range s.next {
		last[lane] = next - 1
	}
	return last
}
