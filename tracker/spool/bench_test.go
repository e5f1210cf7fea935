package spool

import (
	"fmt"
	"slices"
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
			waits := make([][]time.Duration, callers)
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
						waits[caller] = append(waits[caller], time.Since(began))
					}
				})
			}
			group.Wait()
			b.StopTimer()
			stop()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(s.Stats().Commits)/b.Elapsed().Seconds(), "commits/s")
			all := slices.Sorted(slices.Values(slices.Concat(waits...)))
			b.ReportMetric(all[len(all)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(all[len(all)*99/100].Seconds()*1e3, "p99-ms")
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
