package spool

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
