package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"
)

// level is how much the volume still admits.
type level int32

const (
	roomy level = iota
	warned
	noBulk // Bulk records are refused
	full   // all records are refused
)

func (l level) admits(class Class) bool {
	return l < noBulk || l == noBulk && class == Live
}

func (l level) String() string {
	return [...]string{"there is room", "the disk fills up", "bulk records are refused", "all records are refused"}[l]
}

func (s *Spool) level() level { return level(s.stop.Load()) }

func (s *Spool) diskUse() float64 { return math.Float64frombits(s.use.Load()) }

// measureVolume decides which classes of records there is room for.
func (s *Spool) measureVolume() {
	used, total, err := s.cfg.Volume(s.cfg.Dir)
	if err != nil || total <= 0 {
		s.cfg.Log.Warn("measuring the volume of the spool", "total", total, "error", err)
		return // the last measurement stays in force
	}
	use := float64(used) / float64(total)
	s.use.Store(math.Float64bits(use))
	s.free.Store(total - used)
	now := roomy
	switch {
	case use >= s.cfg.StopAt:
		now = full
	case use >= s.cfg.BatchStopAt:
		now = noBulk
	case use >= s.cfg.WarnAt:
		now = warned
	}
	if before := level(s.stop.Swap(int32(now))); before != now {
		s.cfg.Log.Warn("disk of the spool: "+now.String(), "use", use, "before", before.String())
	}
}

// Prune deletes the oldest segments as long as every record in them is acknowledged (lowest is the lowest cursor of all
// who read for good) and they are older than Config.Keep, together exceed Config.KeepFraction of the volume, or the
// volume has come to Config.BatchStopAt: what Kafka already has is given up before anything new is refused. The newest
// segment always stays, since the lanes go on from it.
func (s *Spool) Prune(lowest Cursor, now time.Time) error {
	s.pruning.Lock()
	defer s.pruning.Unlock()
	for {
		used, total, err := s.cfg.Volume(s.cfg.Dir)
		if err != nil {
			return fmt.Errorf("pruning spool: %w", err)
		}
		number, found := s.superfluous(lowest, now, used, total)
		if !found {
			return nil
		}
		// One by one and each for good: a crash in between must not leave a hole in the numbers.
		err = s.disk.Remove(segmentName(number))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // by an earlier call that could not make it durable
		}
		if err = errors.Join(err, s.disk.Sync()); err != nil {
			return fmt.Errorf("pruning spool segment %d: %w", number, err)
		}
		s.mu.Lock()
		s.segments = s.segments[1:]
		s.mu.Unlock()
	}
}

// superfluous returns the oldest segment if it can go.
func (s *Spool) superfluous(lowest Cursor, now time.Time, used, total int64) (number uint64, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) < 2 || s.segments[0].number >= lowest.Segment {
		return 0, false
	}
	var kept int64
	for _, segment := range s.segments {
		kept += segment.end
	}
	share := float64(total)
	// A segment was written to until the one behind it was begun.
	old := now.Sub(s.segments[1].created) > s.cfg.Keep
	large := float64(kept) > s.cfg.KeepFraction*share
	tight := float64(used) >= s.cfg.BatchStopAt*share
	return s.segments[0].number, old || large || tight
}

// Check reads all that the spool holds now and answers a DamageError if it is not what was written. It is meant to run in
// the background: it takes as long as the disk needs to read everything.
func (s *Spool) Check(ctx context.Context) error {
	start, end := s.Start(), s.End()
	if start == end {
		return nil
	}
	r, err := s.Reader(start)
	if err != nil {
		return err
	}
	for found := true; found && err == nil && r.at.Compare(end) < 0; {
		if err = ctx.Err(); err == nil {
			_, found, err = r.Poll()
		}
	}
	if errors.Is(err, ErrClosed) {
		err = nil // all is read
	}
	return errors.Join(err, r.Close())
}
