package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// DamageError says that a spool folder does not hold what was written there: records that were acknowledged may be lost.
type DamageError struct {
	File   string // path
	Offset int64  // bytes from its start
	Reason string
}

// Error says where the damage is and which command repairs it.
func (e *DamageError) Error() string {
	return fmt.Sprintf("spool is damaged: %s, byte %d: %s; with the tracker stopped, run: tributary spool salvage %s",
		e.File, e.Offset, e.Reason, filepath.Dir(e.File))
}

// damaged turns what a walker or readHeader found into a DamageError of this file of the folder.
func damaged(dir, name string, err error) error {
	if d, ok := errors.AsType[*damage](err); ok {
		return &DamageError{File: filepath.Join(dir, name), Offset: d.offset, Reason: d.reason}
	}
	return err
}

// load reads the folder into a spool that is ready to Run.
func load(cfg Config, d disk, lock io.Closer) (*Spool, error) {
	s := &Spool{
		cfg: cfg, disk: d, lock: lock,
		wake:    make(chan struct{}, 1),
		pending: newBatch(nil),
		next:    make([]uint64, cfg.Lanes),
		stamped: make([]uint64, cfg.Lanes),
	}
	for lane := range s.next {
		s.next[lane] = 1
	}
	names, err := d.Names()
	if err != nil {
		return nil, fmt.Errorf("reading spool folder: %w", err)
	}
	numbers := segmentNumbers(names)
	if s.id, err = identify(cfg, d, len(numbers) > 0); err != nil {
		return nil, err
	}
	if err := s.loadSegments(numbers); err != nil {
		return nil, err
	}
	s.measureVolume()
	s.metrics = newMetrics(s, cfg.Metrics)
	return s, nil
}

// segmentNumbers returns the numbers of the segments among these names, in order.
func segmentNumbers(names []string) []uint64 {
	var numbers []uint64
	for _, name := range names {
		if number, ok := segmentNumber(name); ok {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// identify returns the id of the folder, and gives it one if it is new. The id stands in a file of its own beside the
// headers, so that damage to one of them does not cost the checksums of all frames.
func identify(cfg Config, d disk, used bool) (ID, error) {
	id, lanes, err := readIdentity(d)
	var flaw *damage
	switch {
	case err == nil && lanes == cfg.Lanes:
		return id, nil
	case err == nil:
		return ID{}, fmt.Errorf("opening spool %s: it has %d lanes, not %d: let it empty, then begin a new folder", cfg.Dir, lanes, cfg.Lanes)
	case !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &flaw):
		return ID{}, err
	case used:
		return ID{}, &DamageError{File: filepath.Join(cfg.Dir, identityName), Reason: err.Error()}
	}
	rand.Read(id[:]) // ends the program rather than return an error
	return id, writeIdentity(d, id, cfg.Lanes)
}

const identityForm = "tributary spool 1\nid %s\nlanes %d\n"

func writeIdentity(d disk, id ID, lanes int) error {
	f, err := d.Create(identityName)
	if err != nil {
		return fmt.Errorf("naming spool: %w", err)
	}
	err = writeAll(f, fmt.Appendf(nil, identityForm, id, lanes), 0)
	if err = errors.Join(err, f.Sync(), f.Close(), d.Sync()); err != nil {
		return fmt.Errorf("naming spool: %w", err)
	}
	return nil
}

// readIdentity returns what writeIdentity wrote. What is not that is a *damage.
func readIdentity(d disk) (id ID, lanes int, err error) {
	f, err := d.Open(identityName)
	if err != nil {
		return ID{}, 0, fmt.Errorf("reading spool id: %w", err)
	}
	defer f.Close()
	text := make([]byte, 100)
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ID{}, 0, fmt.Errorf("reading spool id: %w", err)
	}
	text = text[:n]
	var digits string
	_, err = fmt.Sscanf(string(text), strings.ReplaceAll(identityForm, "%s", "%32s"), &digits, &lanes)
	if err == nil {
		_, err = hex.Decode(id[:], []byte(digits))
	}
	if err != nil || !bytes.Equal(text, fmt.Appendf(nil, identityForm, id, lanes)) {
		return ID{}, 0, flawf(0, "the spool id cannot be read")
	}
	return id, lanes, nil
}

// loadSegments checks the chain of headers and the whole last segment, and leaves s.segments and s.next as they were when
// the last group was committed.
func (s *Spool) loadSegments(numbers []uint64) error {
	for i, number := range numbers {
		h, size, err := s.loadHeader(number)
		flaw, isFlaw := errors.AsType[*damage](err)
		switch last := i == len(numbers)-1; {
		case last && isFlaw && !flaw.unreadable:
			if err := s.dropUnbegun(number, flaw); err != nil {
				return err
			}
			continue
		case err != nil:
			return damaged(s.cfg.Dir, segmentName(number), err)
		case i > 0:
			if err := s.link(h); err != nil {
				return err
			}
		}
		start := headerLength(s.cfg.Lanes)
		// Until the next header says better, the segment ends where its file does.
		s.segments = append(s.segments, segment{number: number, start: start, end: size, created: h.created})
		s.next = h.first
	}
	if len(s.segments) == 0 {
		return nil
	}
	return s.recoverTail(&s.segments[len(s.segments)-1])
}

func (s *Spool) loadHeader(number uint64) (h header, size int64, err error) {
	f, err := s.disk.Open(segmentName(number))
	if err != nil {
		return header{}, 0, fmt.Errorf("opening spool segment %d: %w", number, err)
	}
	defer f.Close()
	if h, err = readHeader(f, s.cfg.Lanes); err != nil {
		return header{}, 0, fmt.Errorf("opening spool segment %d: %w", number, err)
	}
	if h.id != s.id || h.number != number {
		return header{}, 0, flawf(0, "the header belongs to another segment or spool")
	}
	if size, err = f.Size(); err != nil {
		return header{}, 0, fmt.Errorf("measuring spool segment %d: %w", number, err)
	}
	return h, size, nil
}

// link lets the header of a segment close the segment before it.
func (s *Spool) link(h header) error {
	before := &s.segments[len(s.segments)-1]
	if h.number != before.number+1 {
		return damaged(s.cfg.Dir, segmentName(before.number+1), flawf(0, "the segment is missing"))
	}
	if h.previousEnd < before.start || h.previousEnd > before.end {
		return damaged(s.cfg.Dir, segmentName(before.number), flawf(before.end, "the segment is cut short, it had %d bytes", h.previousEnd))
	}
	for lane, first := range h.first {
		if first < s.next[lane] {
			return damaged(s.cfg.Dir, segmentName(h.number), flawf(headerFixed, "lane %d goes back from %d to %d", lane, s.next[lane], first))
		}
	}
	before.end = h.previousEnd
	return nil
}

// dropUnbegun removes the last segment if a crash kept its header from the disk. Groups are written when the header is
// durable, so a sound frame proves that it was and has been damaged since.
func (s *Spool) dropUnbegun(number uint64, flaw *damage) error {
	name := segmentName(number)
	f, err := s.disk.Open(name)
	if err != nil {
		return fmt.Errorf("opening spool segment %d: %w", number, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("measuring spool segment %d: %w", number, err)
	}
	w := &walker{file: f, seed: s.id.seed(number), limit: size}
	if _, found, err := w.search(headerLength(s.cfg.Lanes), 0); found || err != nil {
		return damaged(s.cfg.Dir, name, flaw)
	}
	s.cfg.Log.Warn("removing spool segment that was not begun before a crash", "segment", number, "bytes", size)
	if err := errors.Join(s.disk.Remove(name), s.disk.Sync()); err != nil {
		return fmt.Errorf("removing spool segment %d: %w", number, err)
	}
	return nil
}

// search returns the first offset from here on at which a sound frame stands that belongs to this group or a later one.
// Its error is that of a disk that cannot be read.
func (w *walker) search(from, group int64) (offset int64, found bool, err error) {
	for offset = from; offset+frameHeader <= w.limit; offset += alignment {
		raw, err := w.bytes(offset, frameHeader)
		if err != nil {
			return 0, false, err
		}
		if raw[4] < kindRecord || raw[4] > kindVoid {
			continue // as at would find, only faster
		}
		f, _, err := w.at(offset)
		if err == nil && f.group >= group {
			return offset, true, nil
		}
		if flaw, ok := errors.AsType[*damage](err); ok && flaw.unreadable {
			return 0, false, err
		}
	}
	return 0, false, nil
}

// recoverTail finds the last commit of the last segment, cuts off what follows, and makes the rest durable before anybody
// reads it: after a kill it may have been in the memory of the kernel only.
func (s *Spool) recoverTail(last *segment) error {
	name := segmentName(last.number)
	f, err := s.disk.Open(name)
	if err != nil {
		return fmt.Errorf("opening spool segment %d: %w", last.number, err)
	}
	defer f.Close()
	w := &walker{file: f, seed: s.id.seed(last.number), limit: last.end}
	committed, flaw := w.recoverTail(last.start, s.next)
	if flaw != nil {
		return damaged(s.cfg.Dir, name, flaw)
	}
	if torn := last.end - committed; torn > 0 {
		s.cfg.Log.Info("cutting off what a crash left unfinished in the spool", "segment", last.number, "bytes", torn)
		if err := f.Truncate(committed); err != nil {
			return fmt.Errorf("cutting spool segment %d: %w", last.number, err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing spool segment %d: %w", last.number, err)
	}
	last.end = committed
	return nil
}

// recoverTail returns the offset behind the last commit, or what is damaged if it is more than a torn tail, and moves the
// lanes' next sequences along.
func (w *walker) recoverTail(start int64, next []uint64) (committed int64, err error) {
	committed, err = w.scan(start, next)
	flaw, ok := errors.AsType[*damage](err)
	if !ok || flaw.unreadable {
		return committed, err
	}
	// A sound frame of a later group proves that the damaged group was durable once.
	if _, found, searchErr := w.search(flaw.offset, committed+1); found || searchErr != nil {
		return committed, errors.Join(err, searchErr)
	}
	return committed, nil
}

// scan walks from an offset through whole groups, moves the lanes' next sequences along, and returns the offset behind the
// last commit, and what is wrong with the frame at which it could not go on if it did not come to the end.
func (w *walker) scan(start int64, next []uint64) (committed int64, err error) {
	committed = start
	var records uint64
	var sum uint32
	group := slices.Clone(next)
	for at := start; at < w.limit; {
		f, raw, err := w.at(at)
		if err != nil {
			return committed, err
		}
		switch {
		case f.group != committed:
			return committed, flawf(at, "the frame belongs to another group")
		case f.kind == kindVoid:
			return committed, flawf(at, "a salvaged segment has to be followed by another")
		case f.kind == kindCommit && f.seq != commitOf(records, sum):
			return committed, flawf(at, "the commit does not match its group")
		case f.kind == kindCommit:
			committed, records, sum = at+f.length(), 0, 0
			copy(next, group)
		case f.lane >= len(group):
			return committed, flawf(at, "there is no lane %d", f.lane)
		case f.seq != group[f.lane]:
			return committed, flawf(at, "lane %d jumps from %d to %d", f.lane, group[f.lane]-1, f.seq)
		default:
			group[f.lane]++
			records++
			sum = checksum(sum, raw)
		}
		at += f.length()
	}
	return committed, nil
}
