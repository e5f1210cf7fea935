package spool

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// openSpool opens a spool that is closed at the end of the test. The volume of the machine plays no part.
func openSpool(tb testing.TB, cfg Config) *Spool {
	tb.Helper()
	if cfg.Lanes == 0 {
		cfg.Lanes = 4
	}
	if cfg.Volume == nil {
		cfg.Volume = func(string) (int64, int64, error) { return 0, 1 << 40, nil }
	}
	s, err := Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// running starts Run and returns the function that ends it and waits for it.
func running(tb testing.TB, s *Spool) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
}

// put appends one record and waits until it is durable.
func put(tb testing.TB, s *Spool, lane int, payload string) {
	tb.Helper()
	ticket, err := s.Append(lane, Live, []byte(payload))
	if err == nil {
		ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
		defer cancel()
		err = ticket.Wait(ctx)
	}
	if err != nil {
		tb.Fatalf("storing %q: %v", payload, err)
	}
}

// records reads what the spool holds from the cursor on, each as "lane/seq payload".
func records(tb testing.TB, s *Spool, at Cursor) []string {
	tb.Helper()
	all, err := readAll(s, at)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func readAll(s *Spool, at Cursor) ([]string, error) {
	r, err := s.Reader(at)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var all []string
	for {
		e, found, err := r.Poll()
		if errors.Is(err, ErrClosed) || err == nil && !found {
			return all, nil
		} else if err != nil {
			return all, err
		}
		all = append(all, fmt.Sprintf("%d/%d %s", e.Lane, e.Seq, e.Payload))
	}
}

// TestWhoCannotWaitIsLetGo: late without a commit, at once with one, and with its answer after one.
func TestWhoCannotWaitIsLetGo(t *testing.T) {
	t.Parallel()
	s := openSpool(t, Config{Dir: t.TempDir(), Lanes: 1})
	ticket, err := s.Append(0, Live, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if err := ticket.WaitWithin(time.Millisecond); !errors.Is(err, ErrLate) {
				t.Errorf("waiting for a spool that does not run: %v", err)
			}
		})
	}
	group.Wait()
	next, err := s.Append(0, Live, []byte("b"))
	if err != nil || next != ticket {
		t.Fatalf("the second record is in another group: %v", err)
	}
	stop := running(t, s)
	defer stop()
	if err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ticket.WaitWithin(time.Hour); err != nil {
			t.Errorf("waiting for what is durable: %v", err)
		}
	}
	other, err := s.Append(0, Live, []byte("c"))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.WaitWithin(time.Hour); err != nil {
		t.Errorf("waiting for a commit: %v", err)
	}
}

func TestRecordsComeBackInOrder(t *testing.T) {
	t.Parallel()
	s := openSpool(t, Config{Dir: t.TempDir()})
	stop := running(t, s)
	put(t, s, 0, "a")
	put(t, s, 3, "b")
	put(t, s, 0, "c")
	put(t, s, 1, "")
	stop()
	want := []string{"0/1 a", "3/1 b", "0/2 c", "1/1 "}
	if got := records(t, s, Cursor{}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLanesGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var id ID
	var want []string
	for round := range 4 {
		s := openSpool(t, Config{Dir: dir, SegmentBytes: 1}) // a segment for each commit
		if round == 0 {
			id = s.ID()
		} else if s.ID() != id {
			t.Errorf("round %d: the spool is %s now, it was %s", round, s.ID(), id)
		}
		if got := records(t, s, Cursor{}); !slices.Equal(got, want) {
			t.Errorf("round %d: got %q, want %q", round, got, want)
		}
		stop := running(t, s)
		for n := range round { // none in the first round
			put(t, s, 2, strconv.Itoa(round))
			want = append(want, fmt.Sprintf("2/%d %d", round*(round-1)/2+n+1, round))
		}
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := openSpool(t, Config{Dir: dir})
	if got := s.Sequences(); !slices.Equal(got, []uint64{0, 0, 6, 0}) {
		t.Errorf("last sequences %v", got)
	}
}

func TestWhatIsNotStoredIsSaid(t *testing.T) {
	t.Parallel()
	s := openSpool(t, Config{Dir: t.TempDir(), PendingBytes: 2*MaxPayload + 7_000})
	for name, lane := range map[string]int{"below": -1, "above": 4} {
		if _, err := s.Append(lane, Live, nil); err == nil {
			t.Errorf("a lane %s the range was accepted", name)
		}
	}
	if _, err := s.Append(0, Live, make([]byte, MaxPayload+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte too many: %v", err)
	}
	for range 2 {
		if _, err := s.Append(0, Live, make([]byte, MaxPayload)); err != nil {
			t.Errorf("the largest record: %v", err)
		}
	}
	if _, err := s.Append(0, Live, make([]byte, MaxPayload)); !errors.Is(err, ErrBusy) {
		t.Errorf("more than may wait: %v", err)
	}
	ticket, err := s.Append(0, Live, []byte("a small one still fits"))
	if err != nil {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ticket.Wait(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with an ended context: %v", err)
	}
	running(t, s)() // commits what waits, and ends
	if err := ticket.Wait(t.Context()); err != nil {
		t.Errorf("the record that waited: %v", err)
	}
	if _, err := s.Append(0, Live, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("Run ran twice")
	}
}

func TestAConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"0 lanes":         func(c *Config) { c.Lanes = 0 },
		"4097 lanes":      func(c *Config) { c.Lanes = 4097 },
		"segments of":     func(c *Config) { c.SegmentBytes = 2 << 30 },
		"bytes pending":   func(c *Config) { c.PendingBytes = 100 },
		"Keep is":         func(c *Config) { c.Keep = -1 },
		"WarnAt":          func(c *Config) { c.WarnAt = 0.9 },
		"BatchStopAt":     func(c *Config) { c.BatchStopAt = 0.99 },
		"StopAt <= 1":     func(c *Config) { c.StopAt = 1.1 },
		"making spool fo": func(c *Config) { c.Dir = "/dev/null/spool" },
	} {
		cfg := Config{Dir: t.TempDir(), Lanes: 4}
		change(&cfg)
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
	dir := t.TempDir()
	s := openSpool(t, Config{Dir: dir, Lanes: 4})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir, Lanes: 5}); err == nil || !strings.Contains(err.Error(), "it has 4 lanes, not 5") {
		t.Errorf("another number of lanes: error %v", err)
	}
}

func TestManyCallersAndReadersAtOnce(t *testing.T) {
	t.Parallel()
	const callers, each, lanes = 16, 200, 4
	s := openSpool(t, Config{Dir: t.TempDir(), Lanes: lanes, SegmentBytes: 20_000})
	stop := running(t, s)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			r, err := s.Reader(Cursor{})
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			next := make([]uint64, lanes)
			at := make(map[string]int) // how far each caller has come
			for range callers * each {
				e, err := r.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				next[e.Lane]++
				caller, number, _ := strings.Cut(string(e.Payload), " ")
				if e.Seq != next[e.Lane] || strconv.Itoa(at[caller]) != number {
					t.Errorf("lane %d, sequence %d: %q after %d", e.Lane, e.Seq, e.Payload, at[caller])
				}
				at[caller]++
			}
		})
	}
	for caller := range callers {
		group.Go(func() {
			for n := range each {
				put(t, s, caller%lanes, fmt.Sprint(caller, " ", n))
			}
		})
	}
	group.Wait()
	stop()
	stats := s.Stats()
	if stats.Records != callers*each || stats.Commits > stats.Records || stats.Segments < 5 || stats.PendingRecords != 0 || stats.Failures != 0 {
		t.Errorf("figures: %+v", stats)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAReaderFollowsOverSegmentsAndEndsWithTheSpool(t *testing.T) {
	t.Parallel()
	s := openSpool(t, Config{Dir: t.TempDir(), SegmentBytes: 1})
	r, err := s.Reader(Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, found, err := r.Poll(); found || err != nil {
		t.Errorf("an empty spool has a record: %v, %v", found, err)
	}
	stop := running(t, s)
	for n := range 10 {
		put(t, s, 0, strconv.Itoa(n))
		e, err := r.Next(t.Context())
		if err != nil || string(e.Payload) != strconv.Itoa(n) || e.Cursor != r.Position() {
			t.Fatalf("record %d: %+v, %v", n, e, err)
		}
		if _, found, err := r.Poll(); found || err != nil || r.Position() != s.End() || s.Backlog(r.Position()) != 0 {
			t.Errorf("after record %d: found %v, %v, at %s of %s", n, found, err, r.Position(), s.End())
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Next(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	waited := make(chan error)
	go func() {
		_, err := r.Next(context.WithoutCancel(t.Context()))
		waited <- err
	}()
	stop()
	if err := <-waited; !errors.Is(err, ErrClosed) {
		t.Errorf("at the end: %v, want %v", err, ErrClosed)
	}
}

func TestAReaderStartsWhereTheCursorSays(t *testing.T) {
	t.Parallel()
	s := openSpool(t, Config{Dir: t.TempDir(), SegmentBytes: 400})
	stop := running(t, s)
	for n := range 50 {
		put(t, s, n%4, strconv.Itoa(n))
	}
	stop()
	all := records(t, s, Cursor{})
	r, err := s.Reader(s.Start())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	backlog := s.Backlog(Cursor{})
	for n := range all {
		e, found, err := r.Poll()
		if err != nil || !found {
			t.Fatal(n, found, err)
		}
		text, _ := e.Cursor.MarshalText()
		var at Cursor
		if err := at.UnmarshalText(text); err != nil || at != e.Cursor {
			t.Errorf("cursor %s comes back as %s, %v", e.Cursor, at, err)
		}
		if got := records(t, s, at); !slices.Equal(got, all[n+1:]) {
			t.Errorf("behind %s: got %q, want %q", at, got, all[n+1:])
		}
		if now := s.Backlog(at); now >= backlog {
			t.Errorf("backlog behind %s is %d, it was %d", at, now, backlog)
		} else {
			backlog = now
		}
	}
	last := s.End()
	for _, at := range []Cursor{{last.Segment, last.Offset + 1}, {last.Segment + 1, 0}} {
		if _, err := s.Reader(at); !errors.Is(err, ErrBeyondEnd) {
			t.Errorf("cursor %s with the end at %s: %v", at, last, err)
		}
	}
	if got := records(t, s, Cursor{Segment: 2}); !slices.Equal(got, all[len(all)-len(got):]) || len(got) == 0 || len(got) == len(all) {
		t.Errorf("from segment 2 on: %q", got)
	}
}

func TestCursorsAreOrderedInEveryForm(t *testing.T) {
	t.Parallel()
	ordered := []Cursor{{}, {0, 1}, {1, 0}, {1, 255}, {1, 256}, {2, 0}, {255, 1 << 40}, {256, 0}}
	for i, a := range ordered {
		for j, b := range ordered {
			binaryA, _ := a.MarshalBinary()
			binaryB, _ := b.MarshalBinary()
			if want := cmp.Compare(i, j); a.Compare(b) != want || bytes.Compare(binaryA, binaryB) != want {
				t.Errorf("%s to %s: %d and %d, want %d", a, b, a.Compare(b), bytes.Compare(binaryA, binaryB), want)
			}
		}
		raw, _ := a.MarshalBinary()
		var back Cursor
		if err := back.UnmarshalBinary(raw); err != nil || back != a {
			t.Errorf("%s comes back as %s, %v", a, back, err)
		}
	}
	for _, text := range []string{"", "1", ":", "1:", ":1", "-1:1", "1:-1", "1:1:1", "1:9223372036854775808", "a:b"} {
		var at Cursor
		if err := at.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %s", text, at)
		}
	}
	for _, raw := range [][]byte{nil, make([]byte, 15), bytes.Repeat([]byte{255}, 16)} {
		var at Cursor
		if err := at.UnmarshalBinary(raw); err == nil {
			t.Errorf("%x was read as %s", raw, at)
		}
	}
}
