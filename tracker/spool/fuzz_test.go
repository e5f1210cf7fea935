package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// FuzzSpoolRecover puts arbitrary bytes in the place of the last segment. Opening either refuses or gives only records
// whose checksum, computed here from the format's description alone, holds; and then the spool works.
func FuzzSpoolRecover(f *testing.F) {
	origin := newLife(7)
	origin.rng = rand.New(rand.NewPCG(7, 7))
	if err := origin.open(); err != nil {
		f.Fatal(err)
	}
	origin.spool.cfg.SegmentBytes = 600
	for origin.spool.End().Segment < 2 || len(origin.disk.names[segmentName(2)].shown) < 450 {
		origin.work(1)
	}
	id := origin.spool.ID()
	first := slices.Clone(origin.disk.names[segmentName(1)].shown)
	name := slices.Clone(origin.disk.names[identityName].shown)
	second := origin.disk.names[segmentName(2)].shown
	start := int(headerLength(crashLanes))

	f.Add([]byte{}, uint8(0))
	for mode := range uint8(3) {
		f.Add(slices.Clone(second), mode)
		f.Add(slices.Clone(second[start:]), mode)
		f.Add(make([]byte, 400), mode)
		f.Add(slices.Clone(first), mode)
	}
	f.Fuzz(func(t *testing.T, tail []byte, mode uint8) {
		if len(tail) > 1<<16 {
			return
		}
		raw := tail
		if mode%3 > 0 { // a sound header leads further in
			raw = append(slices.Clone(second[:start]), tail...)
		}
		if mode%3 == 2 { // and sound checksums further still
			for at := start; at+frameHeader <= len(raw); {
				length := min(parseFrame(raw[at:]).length(), int64(len(raw)-at))
				signFrame(raw[at:][:length], id.seed(2), int64(at))
				at += int(length)
			}
		}
		l := newLife(1)
		for file, bytes := range map[string][]byte{identityName: name, segmentName(1): first, segmentName(2): raw} {
			l.disk.names[file] = &crashFile{disk: l.disk, shown: slices.Clone(bytes), durable: slices.Clone(bytes)}
		}
		l.disk.durable = l.disk.names
		if err := l.open(); err != nil {
			var refused *DamageError
			if !errors.As(err, &refused) && raw[7] == magic[7] {
				t.Fatalf("opening: %v", err)
			}
			return
		}
		l.spool.cfg.Keep = time.Hour
		before := vouched(t, l.spool, raw)
		ticket, err := l.spool.Append(1, Live, []byte("afterwards"))
		if err != nil {
			t.Fatal(err)
		}
		l.spool.commit(l.spool.take())
		if err := ticket.Err(); err != nil {
			t.Fatalf("appending: %v", err)
		}
		l.disk = l.disk.afterCrash()
		if err := l.open(); err != nil {
			t.Fatalf("opening again: %v", err)
		}
		after, err := readAll(l.spool, Cursor{})
		if err != nil || !slices.Equal(after[:len(after)-1], before) {
			t.Fatalf("opened again: %q after %q, %v", after, before, err)
		}
	})
}

// vouched reads all records and checks the bytes of those that came from raw, the second segment.
func vouched(t *testing.T, s *Spool, raw []byte) (all []string) {
	t.Helper()
	r, err := s.Reader(Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	seed := crc32.Checksum(append(slices.Clone(s.id[:]), 2, 0, 0, 0, 0, 0, 0, 0), table)
	for {
		e, found, err := r.Poll()
		if err != nil {
			t.Fatalf("reading: %v", err)
		}
		if !found {
			return all
		}
		all = append(all, fmt.Sprintf("%d/%d %s", e.Lane, e.Seq, e.Payload))
		if e.Cursor.Segment != 2 {
			continue
		}
		from := int(e.Cursor.Offset) - 24 - (len(e.Payload)+7)/8*8
		stored := raw[from:e.Cursor.Offset]
		if crc32.Update(seed^uint32(from), table, stored[4:]) != binary.LittleEndian.Uint32(stored) || string(stored[24:][:len(e.Payload)]) != string(e.Payload) {
			t.Fatalf("the record at byte %d is not what its checksum says: %q", from, e.Payload)
		}
	}
}

// FuzzCursor holds that a cursor of any text is refused or a place that is written as it was.
func FuzzCursor(f *testing.F) {
	for _, text := range []string{"0:0", "18446744073709551615:9223372036854775807", "1:-1", "+1:1", "1:2:3", ":", "\xff"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c, again Cursor
		if c.UnmarshalText(data) == nil {
			if err := again.UnmarshalText([]byte(c.String())); err != nil || again != c || c.Offset < 0 {
				t.Errorf("%q is %v, which is %v: %v", data, c, again, err)
			}
		}
		if c.UnmarshalBinary(data) == nil {
			if b, err := c.MarshalBinary(); err != nil || !bytes.Equal(b, data) || c.Offset < 0 {
				t.Errorf("%x is %v, which is %x: %v", data, c, b, err)
			}
		}
	})
}
