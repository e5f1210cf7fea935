package position_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"tributary/internal/position"
	"tributary/internal/stream"
)

func TestAdmitGoesBySequence(t *testing.T) {
	t.Parallel()
	seen, strange := [16]byte{1}, [16]byte{2}
	for _, c := range []struct {
		name      string
		record    stream.Record
		refilling bool
		verdict   position.Verdict
		gap       bool
		next      int64
		mark      uint64
	}{
		{name: "the next is taken", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: seen, Seq: 8}, verdict: position.Next, next: 11, mark: 8},
		{name: "the last seen is a duplicate", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: seen, Seq: 7}, verdict: position.Duplicate, next: 11, mark: 7},
		{name: "the first of all is a duplicate", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: seen, Seq: 1}, verdict: position.Duplicate, next: 11, mark: 7},
		{name: "sequence zero is a duplicate", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: seen, Seq: 0}, verdict: position.Duplicate, next: 11, mark: 7},
		{name: "one too far is a gap", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: seen, Seq: 9}, gap: true, next: 10, mark: 7},
		{name: "an unknown spool starts at one", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: strange, Seq: 1}, verdict: position.Next, next: 11, mark: 7},
		{name: "an unknown spool that starts later is a gap", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: strange, Seq: 2}, gap: true, next: 10, mark: 7},
		{name: "an offset before the next was seen", record: stream.Record{Seal: stream.Genuine, Offset: 9, Spool: seen, Seq: 8}, verdict: position.Past, next: 10, mark: 7},
		{name: "an offset behind the next is a gap", record: stream.Record{Seal: stream.Genuine, Offset: 11, Spool: seen, Seq: 8}, gap: true, next: 10, mark: 7},
		{name: "a forged one moves the offset only", record: stream.Record{Offset: 10, Spool: seen, Seq: 8}, verdict: position.Forged, next: 11, mark: 7},
		{name: "a forged one too far is no gap", record: stream.Record{Offset: 10, Spool: seen, Seq: 99}, verdict: position.Forged, next: 11, mark: 7},
		{name: "a forged one seen is no duplicate", record: stream.Record{Offset: 10, Spool: seen, Seq: 7}, verdict: position.Forged, next: 11, mark: 7},
		{name: "a forged one before the next was seen", record: stream.Record{Offset: 9, Spool: seen, Seq: 8}, verdict: position.Past, next: 10, mark: 7},
		{name: "one of an unknown key halts", record: stream.Record{Seal: stream.UnknownKey, Offset: 10, Spool: seen, Seq: 8}, gap: true, next: 10, mark: 7},
		{name: "while refilling, one too far is dropped", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: seen, Seq: 9}, refilling: true, verdict: position.Early, next: 11, mark: 7},
		{name: "while refilling, the next is taken", record: stream.Record{Seal: stream.Genuine, Offset: 10, Spool: seen, Seq: 8}, refilling: true, verdict: position.Next, next: 11, mark: 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &position.Position{Next: 10, Marks: map[[16]byte]uint64{seen: 7}}
			if c.refilling {
				p.Gaps = map[[16]byte]uint64{seen: 9}
			}
			verdict, err := p.Admit(c.record)
			if err == nil && verdict != c.verdict || position.IsGap(err) != c.gap || (err != nil) != c.gap {
				t.Errorf("Admit() = %v, %v; want %v, gap %v", verdict, err, c.verdict, c.gap)
			}
			if p.Next != c.next || p.Marks[seen] != c.mark {
				t.Errorf("position at %d, mark %d; want %d, %d", p.Next, p.Marks[seen], c.next, c.mark)
			}
		})
	}
}

func TestAfterTheMissingOneArrivedTheNextHoleIsAGapAgain(t *testing.T) {
	t.Parallel()
	spool := [16]byte{1}
	p := &position.Position{Marks: map[[16]byte]uint64{spool: 3}, Gaps: map[[16]byte]uint64{spool: 6}}
	var got []uint64
	for offset, seq := range []uint64{6, 7, 4, 5, 6, 7, 8} {
		verdict, err := p.Admit(stream.Record{Seal: stream.Genuine, Offset: int64(offset), Spool: spool, Seq: seq})
		if err != nil {
			t.Fatal(err)
		}
		if verdict == position.Next {
			got = append(got, seq)
		}
	}
	if len(got) != 5 || got[0] != 4 || got[4] != 8 {
		t.Errorf("accepted %v, want 4 to 8", got)
	}
	if _, err := p.Admit(stream.Record{Seal: stream.Genuine, Offset: 7, Spool: spool, Seq: 10}); !position.IsGap(err) {
		t.Errorf("sequence 10 behind 8 gave %v, want a gap", err)
	}
}

// A log is what several relays leave that send in order, repeat any number of their last batches, and never send a
// batch before the previous one was stored once.
func drawLog(t *rapid.T) []stream.Record {
	var log []stream.Record
	sent := make(map[byte]uint64)
	for range rapid.IntRange(1, 40).Draw(t, "batches") {
		spool := rapid.ByteRange(1, 3).Draw(t, "spool")
		from := sent[spool] + 1
		if sent[spool] > 0 && rapid.Bool().Draw(t, "again") {
			from = rapid.Uint64Range(1, sent[spool]).Draw(t, "from")
		}
		to := from + rapid.Uint64Range(0, 5).Draw(t, "more")
		for seq := from; seq <= to; seq++ {
			log = append(log, stream.Record{Seal: stream.Genuine, Offset: int64(len(log)), Spool: [16]byte{spool}, Seq: seq})
		}
		sent[spool] = max(sent[spool], to)
	}
	return log
}

func TestEachSequenceIsTakenOnceAndInOrderWhateverIsSentTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &position.Position{}
		taken := make(map[[16]byte]uint64)
		for _, r := range drawLog(t) {
			verdict, err := p.Admit(r)
			if err != nil {
				t.Fatal(err)
			}
			duplicate := verdict == position.Duplicate
			if duplicate != (r.Seq <= taken[r.Spool]) {
				t.Fatalf("sequence %d behind %d: duplicate = %v", r.Seq, taken[r.Spool], duplicate)
			}
			if !duplicate {
				if r.Seq != taken[r.Spool]+1 {
					t.Fatalf("took sequence %d behind %d", r.Seq, taken[r.Spool])
				}
				taken[r.Spool] = r.Seq
			}
		}
	})
}

func TestARecordThatTheLogLostIsFoundOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		at := rapid.IntRange(0, len(log)-1).Draw(t, "lost")
		lost := log[at]
		kept, behind := 0, 0
		for i, r := range log {
			if r.Spool != lost.Spool || i == at {
				continue
			}
			if r.Seq == lost.Seq {
				kept++
			}
			if r.Seq > lost.Seq {
				behind++
			}
		}
		p := &position.Position{}
		var gap *position.GapError
		for i, r := range log {
			if i == at {
				continue
			}
			r.Offset = p.Next
			if _, err := p.Admit(r); err != nil {
				if !errors.As(err, &gap) {
					t.Fatal(err)
				}
				break
			}
		}
		if kept == 0 && behind > 0 && (gap == nil || gap.Want != lost.Seq || gap.Spool != lost.Spool) {
			t.Fatalf("sequence %d of spool %x is nowhere in the log, and the gap found was %v", lost.Seq, lost.Spool, gap)
		}
	})
}
