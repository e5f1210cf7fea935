package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// What Reader answers when a cursor does not lie within the spool.
var (
	// ErrPruned means that the segment of the cursor has been deleted.
	ErrPruned = errors.New("spool no longer has the records at the cursor")
	// ErrBeyondEnd means that the spool is shorter than it was when the cursor was taken: files were deleted or restored
	// from an older copy. Going on would number new records like lost ones.
	ErrBeyondEnd = errors.New("cursor is beyond the end of the spool")
)

// Cursor is a place between two records. Cursors are ordered as the records are; the zero Cursor is before all of them.
type Cursor struct {
	Segment uint64
	Offset  int64 // bytes from the start of the segment
}

// Compare returns -1, 0 or 1 when c is before, at or behind the other place.
func (c Cursor) Compare(other Cursor) int {
	switch {
	case c == other:
		return 0
	case c.Segment < other.Segment, c.Segment == other.Segment && c.Offset < other.Offset:
		return -1
	}
	return 1
}

// String returns the cursor as "segment:offset".
func (c Cursor) String() string { return fmt.Sprintf("%d:%d", c.Segment, c.Offset) }

// MarshalText writes what String returns.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what String returns.
func (c *Cursor) UnmarshalText(text []byte) error {
	segment, offset, found := strings.Cut(string(text), ":")
	number, err := strconv.ParseUint(segment, 10, 64)
	at, offsetErr := strconv.ParseUint(offset, 10, 63)
	if !found || err != nil || offsetErr != nil {
		return fmt.Errorf("reading spool cursor %q: want SEGMENT:OFFSET", text)
	}
	*c = Cursor{Segment: number, Offset: int64(at)}
	return nil
}

// AppendBinary appends 16 bytes that sort as cursors do.
func (c Cursor) AppendBinary(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, c.Segment), uint64(c.Offset)), nil
}

// MarshalBinary writes what AppendBinary appends.
func (c Cursor) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads what MarshalBinary wrote.
func (c *Cursor) UnmarshalBinary(b []byte) error {
	if len(b) != 16 || b[8] > 0x7f {
		return fmt.Errorf("reading spool cursor: %d bytes that are no cursor", len(b))
	}
	*c = Cursor{Segment: binary.BigEndian.Uint64(b), Offset: int64(binary.BigEndian.Uint64(b[8:]))}
	return nil
}

// Record is one durable piece of data, as a lane holds it.
type Record struct {
	Lane    int
	Seq     uint64 // in the lane, from 1, without a gap
	Cursor  Cursor // the place behind the record
	Payload []byte // valid until the next call of Next
}

// Reader reads durable records in the order in which they were committed, and follows the spool as it grows. It is used
// by one goroutine at a time; several readers do not disturb each other.
type Reader struct {
	spool    *Spool
	at       Cursor
	file     file // of the segment at.Segment; nil before the first
	walker   walker
	salvaged bool
	next     []uint64 // for each lane the sequence expected, 0 while that is not known
}

// Reader returns a reader that starts behind the cursor; the zero Cursor is the oldest record kept. It answers ErrPruned
// or ErrBeyondEnd for a cursor that is not in the spool.
func (s *Spool) Reader(at Cursor) (*Reader, error) {
	r := &Reader{spool: s, at: at, next: make([]uint64, s.cfg.Lanes)}
	if at == (Cursor{}) {
		return r, nil
	}
	s.mu.Lock()
	index, err := s.locate(at)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	here := s.segments[index]
	s.mu.Unlock()
	r.at.Offset = max(at.Offset, here.start)
	if err := r.open(here); err != nil {
		return nil, err
	}
	if r.at.Offset > here.start {
		clear(r.next)
	}
	return r, nil
}

// Start returns the place before the oldest record kept.
func (s *Spool) Start() Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 {
		return Cursor{}
	}
	return Cursor{Segment: s.segments[0].number, Offset: s.segments[0].start}
}

// End returns the place behind the newest durable record.
func (s *Spool) End() Cursor {
	last, ok := s.lastSegment()
	if !ok {
		return Cursor{}
	}
	return Cursor{Segment: last.number, Offset: last.end}
}

// Backlog returns the bytes in the files behind the cursor, 0 if it is not in the spool.
func (s *Spool) Backlog(at Cursor) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	index, err := s.locate(at)
	if err != nil {
		return 0
	}
	backlog := s.segments[index].end - at.Offset
	for _, segment := range s.segments[index+1:] {
		backlog += segment.end - segment.start
	}
	return backlog
}

// locate returns the index of the segment of a cursor. The caller holds the lock.
func (s *Spool) locate(at Cursor) (index int, err error) {
	n := len(s.segments)
	switch {
	case n > 0 && at == (Cursor{}):
		return 0, nil
	case n == 0 || at.Segment > s.segments[n-1].number:
		return 0, fmt.Errorf("%w: %s", ErrBeyondEnd, at)
	case at.Segment < s.segments[0].number:
		return 0, fmt.Errorf("%w: %s", ErrPruned, at)
	}
	index = int(at.Segment - s.segments[0].number)
	if at.Offset > s.segments[index].end {
		return 0, fmt.Errorf("%w: %s", ErrBeyondEnd, at)
	}
	return index, nil
}

// ahead returns the segment with what follows the cursor, or a channel that is closed when something may follow.
func (s *Spool) ahead(at Cursor) (here segment, more <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	index := 0
	if len(s.segments) > 0 || at != (Cursor{}) {
		if index, err = s.locate(at); err != nil {
			return segment{}, nil, err
		}
		if at.Offset == s.segments[index].end {
			index++
		}
	}
	if index < len(s.segments) {
		return s.segments[index], nil, nil
	}
	if s.ended {
		return segment{}, nil, ErrClosed
	}
	if s.more == nil {
		s.more = make(chan struct{})
	}
	return segment{}, s.more, nil
}

// Next returns the next record, and waits for it if there is none yet. It ends with the error of the context, with
// ErrClosed when all is read and Run has ended, or with a DamageError when the disk returned something else than was
// written; a reader that ended so stays where it is. The context is asked only while there is nothing to read.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for {
		record, more, err := r.read()
		if more == nil {
			return record, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Record{}, fmt.Errorf("waiting for the next record of the spool: %w", ctx.Err())
		}
	}
}

// Poll returns the next record as Next does, or false if there is none at the moment.
func (r *Reader) Poll() (record Record, found bool, err error) {
	record, more, err := r.read()
	return record, more == nil && err == nil, err
}

// Position is the place behind the last record returned, or the end of the spool after Poll has found no more.
func (r *Reader) Position() Cursor { return r.at }

// read returns the next record, or a channel that is closed when there may be one.
func (r *Reader) read() (record Record, more <-chan struct{}, err error) {
	for {
		for r.at.Offset < r.walker.limit {
			f, raw, err := r.walker.at(r.at.Offset)
			if err == nil {
				err = r.expect(f)
			}
			if err != nil {
				return Record{}, nil, damaged(r.spool.cfg.Dir, segmentName(r.at.Segment), err)
			}
			r.at.Offset += f.length()
			if f.kind == kindRecord {
				return Record{Lane: f.lane, Seq: f.seq, Cursor: r.at, Payload: raw[frameHeader:][:f.size]}, nil, nil
			}
		}
		here, more, err := r.spool.ahead(r.at)
		if err != nil || more != nil {
			return Record{}, more, err
		}
		if r.file != nil && here.number == r.at.Segment {
			r.walker.limit = here.end
		} else if err := r.open(here); err != nil {
			return Record{}, nil, err
		}
	}
}

// Close frees the reader's file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file, r.walker.limit = nil, 0
	if err != nil {
		return fmt.Errorf("closing spool segment %d: %w", r.at.Segment, err)
	}
	return nil
}

// expect checks that a frame continues its lane. Only in a salvaged segment may records be missing.
func (r *Reader) expect(f frame) error {
	if f.kind == kindVoid && !r.salvaged {
		return flawf(r.at.Offset, "there is a void although nothing was salvaged")
	}
	if f.kind != kindRecord {
		return nil
	}
	if f.lane >= len(r.next) {
		return flawf(r.at.Offset, "there is no lane %d", f.lane)
	}
	want := r.next[f.lane]
	if want != 0 && f.seq != want && (!r.salvaged || f.seq < want) {
		return flawf(r.at.Offset, "lane %d jumps from %d to %d", f.lane, want-1, f.seq)
	}
	r.next[f.lane] = f.seq + 1
	return nil
}

// open goes to a segment: to its first record, unless the reader is in this segment already.
func (r *Reader) open(here segment) error {
	s := r.spool
	name := segmentName(here.number)
	f, err := s.disk.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: segment %d", ErrPruned, here.number)
	} else if err != nil {
		return fmt.Errorf("opening spool segment %d: %w", here.number, err)
	}
	h, err := readHeader(f, s.cfg.Lanes)
	if err == nil && (h.id != s.id || h.number != here.number) {
		err = flawf(0, "the header belongs to another segment or spool")
	}
	for lane := 0; err == nil && lane < len(h.first); lane++ {
		if want := r.next[lane]; want != 0 && h.first[lane] != want && (!r.salvaged || h.first[lane] < want) {
			err = flawf(headerFixed, "lane %d jumps from %d to %d", lane, want-1, h.first[lane])
		}
	}
	if err != nil {
		return errors.Join(damaged(s.cfg.Dir, name, err), f.Close())
	}
	if err := r.Close(); err != nil {
		return errors.Join(err, f.Close())
	}
	if r.at.Segment != here.number {
		r.at = Cursor{Segment: here.number, Offset: here.start}
	}
	r.file, r.next, r.salvaged = f, h.first, h.salvaged
	r.walker = walker{file: f, seed: s.id.seed(here.number), limit: here.end, buf: r.walker.buf[:0]}
	return nil
}
