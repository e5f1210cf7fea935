package spool

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRecordsAreRefusedAsTheDiskFills(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		percent    int64
		live, bulk error
	}{
		{0, nil, nil},
		{70, nil, nil},
		{84, nil, nil},
		{85, nil, ErrFull},
		{94, nil, ErrFull},
		{95, ErrFull, ErrFull},
		{100, ErrFull, ErrFull},
	} {
		s := openSpool(t, Config{Dir: t.TempDir(), Volume: func(string) (int64, int64, error) { return row.percent, 100, nil }})
		if _, err := s.Append(0, Live, nil); !errors.Is(err, row.live) {
			t.Errorf("%d %% in use: live records: %v, want %v", row.percent, err, row.live)
		}
		if _, err := s.Append(0, Bulk, nil); !errors.Is(err, row.bulk) {
			t.Errorf("%d %% in use: bulk records: %v, want %v", row.percent, err, row.bulk)
		}
		if got := s.Stats().DiskUse; got != float64(row.percent)/100 {
			t.Errorf("%d %% in use: the figures say %v", row.percent, got)
		}
	}
}

func TestRecordsAreTakenAgainWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var used atomic.Int64
		broken := errors.New("cannot tell")
		s := openSpool(t, Config{Dir: dir, Volume: func(string) (int64, int64, error) {
			if used.Load() < 0 {
				return 0, 0, broken
			}
			return used.Load(), 100, nil
		}})
		stop := running(t, s)
		defer stop()
		for _, step := range []struct {
			used int64
			want error
		}{{10, nil}, {96, ErrFull}, {-1, ErrFull}, {90, nil}, {-1, nil}, {99, ErrFull}, {20, nil}} {
			used.Store(step.used)
			time.Sleep(1100 * time.Millisecond) // of the bubble's clock: one measurement
			synctest.Wait()
			if _, err := s.Append(0, Live, nil); !errors.Is(err, step.want) {
				t.Errorf("%d %% in use: %v, want %v", step.used, err, step.want)
			}
		}
	})
}

// Ten segments of one record each; the clock of Prune is what differs.
func TestPrune(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		lowest  Cursor
		later   time.Duration
		percent int64
		volume  int64
		oldest  uint64
	}{
		{"nothing is acknowledged", Cursor{}, 100 * time.Hour, 10, 1 << 30, 1},
		{"all is too young", Cursor{Segment: 9}, 47 * time.Hour, 10, 1 << 30, 1},
		{"all is old enough", Cursor{Segment: 9}, 49 * time.Hour, 10, 1 << 30, 9},
		{"a cursor at the end of a segment", Cursor{Segment: 4, Offset: 1 << 20}, 49 * time.Hour, 10, 1 << 30, 4},
		{"the last segment stays", Cursor{Segment: 99}, 49 * time.Hour, 10, 1 << 30, 10},
		{"the volume is nearly full", Cursor{Segment: 6}, 0, 86, 1 << 30, 6},
		{"the share of the volume is passed", Cursor{Segment: 9}, 0, 10, 800 * 10 / 3, 6},
	} {
		s := openSpool(t, Config{Dir: t.TempDir(), SegmentBytes: 1, Volume: func(string) (int64, int64, error) {
			return row.volume / 100 * row.percent, row.volume, nil
		}})
		stop := running(t, s)
		for n := range 10 {
			put(t, s, 0, strconv.Itoa(n))
		}
		stop()
		before := records(t, s, Cursor{})
		if got := s.Stats().Bytes; got != 10*152+24 { // each a header of 96, a record of 32, a commit of 24; and the mark of the stop
			t.Fatalf("%s: ten segments have %d bytes: the last row no longer fits", row.name, got)
		}
		if err := s.Prune(row.lowest, time.Now().Add(row.later)); err != nil {
			t.Fatal(err)
		}
		if got := s.Start().Segment; got != row.oldest {
			t.Errorf("%s: the oldest segment is %d, want %d", row.name, got, row.oldest)
		}
		if got := records(t, s, Cursor{}); !slices.Equal(got, before[row.oldest-1:]) {
			t.Errorf("%s: left is %q", row.name, got)
		}
		if row.oldest > 1 {
			if _, err := s.Reader(Cursor{Segment: 1}); !errors.Is(err, ErrPruned) {
				t.Errorf("%s: a cursor in a deleted segment: %v", row.name, err)
			}
		}
		files, err := os.ReadDir(s.cfg.Dir)
		if want := 10 - int(row.oldest-1) + len([]string{lockName, identityName}); err != nil || len(files) != want {
			t.Errorf("%s: %d files, want %d, %v", row.name, len(files), want, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := openSpool(t, Config{Dir: s.cfg.Dir})
		if got := again.Sequences()[0]; got != 10 {
			t.Errorf("%s: after a restart the lane goes on behind %d, want 10", row.name, got)
		}
	}
}

func TestASegmentIsAsOldAsItsLastRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Config{Dir: dir, SegmentBytes: 1})
		stop := running(t, s)
		defer stop()
		put(t, s, 0, "open until the next one")
		time.Sleep(50 * time.Hour) // of the bubble's clock
		put(t, s, 0, "the next one")
		for _, row := range []struct {
			later  time.Duration
			oldest uint64
		}{{47 * time.Hour, 1}, {49 * time.Hour, 2}} {
			if err := s.Prune(Cursor{Segment: 2}, time.Now().Add(row.later)); err != nil {
				t.Fatal(err)
			}
			if got := s.Start().Segment; got != row.oldest {
				t.Errorf("%s later: the oldest segment is %d, want %d", row.later, got, row.oldest)
			}
		}
	})
}

func TestAReaderOfADeletedSegmentReadsOnOrIsTold(t *testing.T) {
	t.Parallel()
	s := openSpool(t, Config{Dir: t.TempDir(), SegmentBytes: 1, Keep: 1})
	stop := running(t, s)
	for n := range 5 {
		put(t, s, 0, strconv.Itoa(n))
	}
	stop()
	r, err := s.Reader(Cursor{Segment: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Prune(Cursor{Segment: 4}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if e, err := r.Next(t.Context()); err != nil || string(e.Payload) != "0" {
		t.Errorf("in the open file: %q, %v", e.Payload, err)
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, ErrPruned) {
		t.Errorf("in the next one: %v, want %v", err, ErrPruned)
	}
}
