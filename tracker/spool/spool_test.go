package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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

func BenchmarkAppendWait(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openSpool(b, Config{Dir: b.TempDir(), Lanes: 12})
			stop := running(b, s)
			payload := make([]byte, 300)
			var next atomic.Int64
			var slowest atomic.Int64
			var group sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for caller := range callers {
				group.Go(func() {
					for next.Add(1) <= int64(b.N) {
						began := time.Now()
						ticket, err := s.Append(caller%12, Live, payload)
						if err == nil {
							<-ticket.Done()
							err = ticket.Err()
						}
						if err != nil {
							b.Error(err)
							return
						}
						if took := int64(time.Since(began)); took > slowest.Load() {
							slowest.Store(took)
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			stop()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(s.Stats().Commits)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	s := openSpool(b, Config{Dir: b.TempDir(), Lanes: 12})
	stop := running(b, s)
	const records = 200_000
	payload := make([]byte, 300)
	for n := 0; n < records; {
		ticket, err := s.Append(n%12, Live, payload)
		if err == nil {
			n++
		} else {
			<-ticket.Done()
		}
		if n%10_000 == 0 {
			<-ticket.Done()
		}
	}
	stop()
	b.ReportAllocs()
	b.ResetTimer()
	var r *Reader
	for n := range b.N {
		if n%records == 0 {
			var err error
			if r, err = s.Reader(Cursor{}); err != nil {
				b.Fatal(err)
			}
			defer r.Close()
		}
		if _, found, err := r.Poll(); err != nil || !found {
			b.Fatal(n, found, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
