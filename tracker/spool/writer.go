package spool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"tributary/internal/fault/inject"
)

// active is the segment that is being written.
type active struct {
	file   file
	number uint64
	start  int64
	end    int64 // behind the last commit, where the next group goes
	paved  int64 // behind the zeros that stand there already
	seed   uint32
	// created is when it was begun.
	created time.Time
}

// paving is how many zeros are written ahead at a time, and zeros are those: never written to, they take no memory.
const paving = 512 << 10

var zeros [paving]byte //nolint:gochecknoglobals // it never changes

// Run commits what is appended until the context ends; then it takes no more, commits what has gathered, and returns. It
// is called once. An error of the disk does not end it: the tickets concerned answer ErrUnavailable and the next group
// tries again.
func (s *Spool) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return errors.New("running spool: it was run before")
	}
	runtime.LockOSThread() // the disk keeps this one thread waiting, and not one that was serving callers
	defer runtime.UnlockOSThread()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.finish()
		case <-tick.C:
			s.measureVolume()
		case <-s.wake:
			s.gather()
			s.commit(s.take())
		}
	}
}

// gather lets the callers that the last commit woke append their next record before the disk is busy again, until nearly
// as many are there as the last time or no more come. Without it half of them miss every group: with it 64 callers of a
// tracker make groups of 45 to 50, without it of 30, at a sixth more processor. A timer would do worse, as the shortest
// sleep of the scheduler is longer than a commit takes.
func (s *Spool) gather() {
	const patience, yields = 3, 6 // turns without another record, and in all
	gathered, still := 0, 0
	for range yields {
		s.mu.Lock()
		now := s.pending.records
		s.mu.Unlock()
		if still++; now > gathered {
			gathered, still = now, 0
		}
		if still == patience || 4*now >= 3*s.former {
			return
		}
		runtime.Gosched()
	}
}

// take returns what is pending and lets the next group gather.
func (s *Spool) take() *batch {
	next := newBatch(s.spare)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.pending
	s.pending = next
	return b
}

// finish makes the last commit. The empty group behind it shows a later Open that the one before was durable.
func (s *Spool) finish() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var err error
	if last := s.take(); last.records > 0 {
		s.commit(last)
		err = last.err
	}
	if s.active != nil {
		mark := newBatch(nil)
		s.commit(mark)
		err = errors.Join(err, mark.err)
	}
	if s.active != nil {
		err = errors.Join(err, s.active.leave())
		s.active = nil
	}
	s.mu.Lock()
	s.ended = true
	s.wakeReaders()
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("closing spool: %w", err)
	}
	return nil
}

// commit makes the group durable and answers its tickets. A file on which the disk failed is never synced again, because
// a second fdatasync may report success for bytes that the kernel has dropped: the group goes to a new segment, once.
func (s *Spool) commit(b *batch) {
	began := time.Now()
	s.former = b.records
	size := len(b.buf)
	err := s.store(b)
	if err != nil {
		s.fail(err)
		b.buf = b.buf[:size]
		if err = s.store(b); err != nil {
			s.fail(err)
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	took := time.Since(began)
	s.mu.Lock()
	if err == nil {
		s.publish(b, took)
		s.stats.Refused = time.Time{}
	} else {
		s.stats.Refused = time.Now()
	}
	s.mu.Unlock()
	if err == nil {
		s.metrics.committed(b, took)
	}
	s.spare, b.buf = b.buf, nil
	inject.Reach(inject.SpoolAfterCommit)
	b.finish(err)
}

// store writes and syncs the group in the active segment, or in a new one where that is full or missing.
func (s *Spool) store(b *batch) error {
	full := s.active != nil && s.active.end+int64(len(b.buf))+frameHeader > s.cfg.SegmentBytes
	if full && s.active.end > s.active.start && b.records > 0 {
		if err := s.active.leave(); err != nil {
			s.cfg.Log.Warn("closing full spool segment", "segment", s.active.number, "error", err)
		}
		s.active = nil
	}
	if s.active == nil {
		if err := s.begin(time.Now()); err != nil {
			return err
		}
	}
	b.buf = s.stamp(b.buf, b.records)
	inject.Reach(inject.SpoolBeforeWrite)
	if err := writeAll(s.active.file, b.buf, s.active.end); err != nil {
		return fmt.Errorf("writing spool segment %d: %w", s.active.number, err)
	}
	s.pave(s.active, s.active.end+int64(len(b.buf)))
	inject.Reach(inject.SpoolBeforeSync)
	syncing := time.Now()
	if err := s.active.file.Sync(); err != nil {
		return fmt.Errorf("syncing spool segment %d: %w", s.active.number, err)
	}
	s.metrics.sync.Observe(time.Since(syncing).Seconds())
	inject.Reach(inject.SpoolAfterSync)
	return nil
}

// pave makes sure that zeros stand behind the end. The groups that follow are written over them, into blocks that the file
// has already, so that their fdatasync has nothing to note down about the file: it takes half as long, and half the
// processor. A disk that refuses the zeros refuses no record: the rest of the segment is then written as it comes.
func (s *Spool) pave(a *active, end int64) {
	if end < a.paved {
		return
	}
	from := end
	end = min(end+paving, s.cfg.SegmentBytes)
	a.paved = max(end, from+1)
	if end <= from {
		return
	}
	if err := writeAll(a.file, zeros[:end-from], from); err != nil {
		a.paved = 2 * maxSegmentBytes
	}
}

// leave takes off the zeros and closes the file. Should a crash bring them back, the header of the next segment tells
// where this one ends, and the next Open cuts them off the last one.
func (a *active) leave() error {
	return errors.Join(a.file.Truncate(a.end), a.file.Close())
}

// stamp completes the frames in buf for their place in the active segment and adds the commit.
func (s *Spool) stamp(buf []byte, records int) []byte {
	group, seed := s.active.end, s.active.seed
	copy(s.stamped, s.next)
	for at := 0; at < len(buf); {
		f := parseFrame(buf[at:])
		f.group, f.seq = group, s.stamped[f.lane]
		s.stamped[f.lane]++
		raw := buf[at:][:f.length()]
		putFrame(raw, f)
		signFrame(raw, seed, group+int64(at))
		at += len(raw)
	}
	at := len(buf)
	sum := checksum(0, buf)
	buf = slices.Grow(buf, frameHeader)[:at+frameHeader]
	putFrame(buf[at:], frame{kind: kindCommit, group: group, seq: commitOf(uint64(records), sum)})
	signFrame(buf[at:], seed, group+int64(at))
	return buf
}

// begin makes the next segment. Its header is durable before the first group, so a segment with an unreadable header
// holds nothing that was acknowledged.
func (s *Spool) begin(now time.Time) error {
	h := header{id: s.id, number: 1, created: now, first: s.next}
	if last, ok := s.lastSegment(); ok {
		h.number, h.previousEnd = last.number+1, last.end
	}
	name := segmentName(h.number)
	f, err := s.disk.Create(name)
	if err != nil {
		return fmt.Errorf("making spool segment %d: %w", h.number, err)
	}
	raw := h.encode()
	start := int64(len(raw))
	next := &active{file: f, number: h.number, start: start, end: start, seed: s.id.seed(h.number), created: h.created}
	// A file of this name that could not be removed may hold groups that were refused. That they are gone is durable
	// first, or a crash could show them behind half a header, as if that had been damaged since.
	err = f.Sync()
	if err == nil {
		err = writeAll(f, raw, 0)
	}
	if err == nil {
		s.pave(next, start)
		err = f.Sync()
	}
	if err == nil {
		err = s.disk.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("making spool segment %d: %w", h.number, err), f.Close(), s.disk.Remove(name))
	}
	inject.Reach(inject.SpoolAfterSegment)
	s.active = next
	return nil
}

// fail counts an error of the disk and leaves the active segment for good. What was written there behind the last commit
// is cut off; should that fail too, the header of the next segment tells readers where to stop.
func (s *Spool) fail(cause error) {
	s.mu.Lock()
	s.stats.Failures++
	s.mu.Unlock()
	s.measureVolume()
	var err error
	if gone := s.active; gone != nil {
		s.active = nil
		if gone.end > gone.start {
			err = errors.Join(gone.file.Truncate(gone.end), gone.file.Close())
		} else {
			err = errors.Join(gone.file.Close(), s.disk.Remove(segmentName(gone.number)))
		}
	}
	const silence = 10 * time.Second // the log may well be on the same disk
	if time.Since(s.complained) > silence {
		s.complained = time.Now()
		s.cfg.Log.Error("spool left a segment after an error of the disk", "error", cause, "cleanup", err)
	}
}

// publish lets readers see the group that has become durable. The caller holds the lock.
func (s *Spool) publish(b *batch, took time.Duration) {
	a := s.active
	a.end += int64(len(b.buf))
	if n := len(s.segments); n > 0 && s.segments[n-1].number == a.number {
		s.segments[n-1].end = a.end
	} else {
		s.segments = append(s.segments, segment{number: a.number, start: a.start, end: a.end, created: a.created})
	}
	s.next, s.stamped = s.stamped, s.next
	s.stats.Records += uint64(b.records)
	s.stats.Commits++
	s.stats.LastCommit = took
	s.wakeReaders()
}

// wakeReaders tells those who wait for more that there is more, or that there never will be. The caller holds the lock.
func (s *Spool) wakeReaders() {
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

func (s *Spool) lastSegment() (segment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 {
		return segment{}, false
	}
	return s.segments[len(s.segments)-1], true
}
