package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// patient is one segment while Salvage works on it.
type patient struct {
	number uint64
	header header
	sound  bool     // the header is what was written
	raw    []byte   // what could be read, brought to the length that the segment should have
	short  bool     // bytes are missing at its end
	jumps  bool     // records are missing in it or at its end, so it has to say that it was salvaged
	after  *header  // of the segment behind, if that one is sound: it tells where this one ends
	first  []uint64 // for each lane the sequence its first record here should have, 0 if that is not known
	holes  []hole   // damage
}

type hole struct{ from, to int64 }

// segment keeps one segment as it is or repairs it.
func (v *salvage) segment(number uint64, newest bool) error {
	p, err := v.examine(number)
	if err != nil {
		return err
	}
	if newest && v.tornOnly(p) {
		return nil
	}
	if err := v.harvest(p); err != nil {
		return err
	}
	for lane := 0; p.after != nil && lane < v.lanes; lane++ {
		p.jumps = p.jumps || v.next[lane] != 0 && p.after.first[lane] > v.next[lane]
	}
	previousEnd := v.end
	v.end = int64(len(p.raw))
	sick := !p.sound || p.short || len(p.holes) > 0 || p.jumps && !p.header.salvaged
	v.repaired = sick || p.header.salvaged
	if sick {
		if err := v.repair(p, previousEnd); err != nil {
			return err
		}
	}
	if newest {
		return v.seal(number + 1)
	}
	return nil
}

// examine reads a segment and fits it between its neighbours.
func (v *salvage) examine(number uint64) (*patient, error) {
	p := &patient{number: number}
	var err error
	if p.raw, err = v.content(number); err != nil {
		return nil, err
	}
	p.header, p.sound = v.header(number)
	for lane := 0; p.sound && lane < v.lanes; lane++ {
		p.sound = p.header.first[lane] >= v.next[lane]
	}
	for lane := 0; p.sound && lane < v.lanes; lane++ {
		v.goesOn(lane, p.header.first[lane])
		v.next[lane] = p.header.first[lane]
	}
	p.first = slices.Clone(v.next)
	if after, sound := v.header(number + 1); sound && after.previousEnd >= headerLength(v.lanes) {
		p.after = &after
	}
	return p, nil
}

// header returns the header of a segment, and whether it is sound by itself.
func (v *salvage) header(number uint64) (h header, sound bool) {
	f, err := v.disk.Open(segmentName(number))
	if err != nil {
		return header{}, false
	}
	defer f.Close()
	h, err = readHeader(f, v.lanes)
	return h, err == nil && h.id == v.id && h.number == number
}

// goesOn notes what a lane has lost if its next record has this sequence, and reports whether it has lost nothing.
func (v *salvage) goesOn(lane int, seq uint64) bool {
	next := v.next[lane]
	if next == 0 || seq <= next {
		return true
	}
	v.report.Lost = append(v.report.Lost, Loss{Lane: lane, First: next, Last: seq - 1})
	v.sayf("lane %d: records %d to %d are lost", lane, next, seq-1)
	return false
}

func (v *salvage) walker(p *patient) *walker {
	return &walker{file: bytes.NewReader(p.raw), seed: v.id.seed(p.number), limit: int64(len(p.raw))}
}

// tornOnly reports whether the newest segment has no more than a torn tail, which Open cuts off by itself, or was not even
// begun, so that Open removes it and goes on in the one before.
func (v *salvage) tornOnly(p *patient) bool {
	start, w := headerLength(v.lanes), v.walker(p)
	if !p.sound {
		_, found, err := w.search(start, 0)
		return !found && err == nil && !v.repaired
	}
	next := slices.Clone(v.next)
	if _, err := w.recoverTail(start, next); err != nil || p.header.salvaged {
		return false
	}
	for lane := range next {
		v.report.Kept += next[lane] - v.next[lane]
	}
	return true
}

// harvest counts the sound records of the segment and finds the holes between them. Where the segment behind does not
// tell the length, the segment ends behind its last sound frame.
func (v *salvage) harvest(p *patient) error {
	start := headerLength(v.lanes)
	end := max(start, int64(len(p.raw)))
	if p.after != nil {
		end = max(start, p.after.previousEnd)
	}
	if missing := end - int64(len(p.raw)); missing > 0 {
		p.raw, p.short = append(p.raw, make([]byte, missing)...), true
	}
	p.raw = p.raw[:end]
	w := v.walker(p)
	for at := start; at < end; {
		f, _, err := w.at(at)
		if err == nil && v.keep(p, f) {
			at += f.length()
			continue
		}
		gap := hole{from: at, to: at + frameHeader}
		for ; gap.to < end; gap.to += alignment {
			if f, _, err := w.at(gap.to); err == nil && v.fits(p, f) {
				break
			}
		}
		gap.to = min(gap.to, end)
		at = gap.to
		v.report.Bytes += gap.to - gap.from
		if gap.to == end && p.after == nil {
			p.raw = p.raw[:gap.from]
			p.short = true
			return nil
		}
		if gap.to-gap.from < frameHeader {
			return fmt.Errorf("the %d bytes at %d are too few for a void", gap.to-gap.from, gap.from)
		}
		p.holes = append(p.holes, gap)
	}
	return nil
}

// fits reports whether a sound frame continues what was kept so far.
func (v *salvage) fits(p *patient, f frame) bool {
	switch f.kind {
	case kindVoid:
		return p.header.salvaged
	case kindRecord:
		return f.lane < v.lanes && f.seq >= v.next[f.lane] && f.seq > 0
	}
	return true
}

// keep takes a frame that fits into the account of the lanes.
func (v *salvage) keep(p *patient, f frame) bool {
	if !v.fits(p, f) {
		return false
	}
	if f.kind == kindRecord {
		p.jumps = !v.goesOn(f.lane, f.seq) || p.jumps
		v.next[f.lane] = f.seq + 1
		v.report.Kept++
		if p.first[f.lane] == 0 {
			p.first[f.lane] = f.seq
		}
	}
	return true
}

// lostTrack is where a lane goes on if nothing that is left tells its sequence: far ahead, since a gap is seen by whoever
// reads Kafka, and a sequence used twice would be dropped as a repetition.
const lostTrack = 1 << 40

// repair rewrites the segment, with voids in its holes.
func (v *salvage) repair(p *patient, previousEnd int64) error {
	if !p.sound {
		p.header = header{id: v.id, number: p.number, previousEnd: previousEnd, created: time.Now(), first: p.first}
		for lane, first := range p.first {
			if first == 0 {
				p.first[lane] = v.regain(p, lane)
			}
		}
	}
	p.header.salvaged = true
	copy(p.raw, p.header.encode())
	for _, gap := range p.holes {
		void := p.raw[gap.from:gap.to]
		clear(void)
		putFrame(void, frame{kind: kindVoid, size: int64(len(void)) - frameHeader})
		signFrame(void[:frameHeader], v.id.seed(p.number), gap.from)
	}
	name := segmentName(p.number)
	aside, err := v.replace(name, p.raw)
	if err != nil {
		return err
	}
	v.report.Repaired = append(v.report.Repaired, name)
	v.sayf("%s: repaired%s", name, aside)
	return nil
}

// regain finds the next sequence of a lane of which this and all earlier segments tell nothing.
func (v *salvage) regain(p *patient, lane int) uint64 {
	v.next[lane] = lostTrack
	if p.after != nil {
		v.next[lane] = p.after.first[lane]
	} else {
		v.sayf("lane %d: its sequence is lost, it goes on with %d", lane, v.next[lane])
	}
	return v.next[lane]
}

// replace puts new content in the place of a file, whole or not at all, and sets the former one aside. It returns what
// there is to say about that.
func (v *salvage) replace(name string, content []byte) (aside string, err error) {
	draft := name + draftSuffix
	f, err := v.disk.Create(draft)
	if err != nil {
		return "", fmt.Errorf("repairing: %w", err)
	}
	err = writeAll(f, content, 0)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("repairing: %w", err)
	}
	// The former file keeps its name until the rename, so a crash leaves the one or the other.
	former := name + damagedSuffix
	err = os.Link(v.disk.path(name), v.disk.path(former))
	for n := 2; errors.Is(err, fs.ErrExist); n++ {
		former = fmt.Sprintf("%s%s%d", name, damagedSuffix, n)
		err = os.Link(v.disk.path(name), v.disk.path(former))
	}
	aside = ", the damaged file is now " + former
	if errors.Is(err, fs.ErrNotExist) {
		aside, err = ", it was missing", nil
	}
	if err == nil {
		err = os.Rename(v.disk.path(draft), v.disk.path(name))
	}
	if err = errors.Join(err, v.disk.Sync()); err != nil {
		return "", fmt.Errorf("repairing: %w", err)
	}
	return aside, nil
}

// seal puts an empty segment behind the newest one if that was repaired, as only the next header can tell where it ends.
func (v *salvage) seal(number uint64) error {
	h := header{id: v.id, number: number, previousEnd: v.end, created: time.Now(), first: v.next}
	if _, err := v.replace(segmentName(number), h.encode()); err != nil {
		return err
	}
	v.sayf("%s: made, to close the segment before", segmentName(number))
	return nil
}
