package relay

import (
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// BenchmarkRelay sends 300,000 touches of about 250 bytes, which wait in the spool, over six lanes to a broker in this
// process, which keeps them in memory or syncs each request to its disk: what one relay and one kfake do with two cores.
func BenchmarkRelay(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmarkRelay(b) })
	b.Run("synced", func(b *testing.B) { benchmarkRelay(b, kfake.DataDir(b.TempDir()), kfake.SyncWrites()) })
}

func benchmarkRelay(b *testing.B, options ...kfake.Opt) {
	b.Helper()
	const records, partitions = 300_000, 6
	var took, spent time.Duration
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(1))...)
		if err != nil {
			b.Fatal(err)
		}
		c := client(b, cluster.ListenAddrs()[0], strconv.Itoa(n))
		if err := c.CreateTopics(b.Context(), partitions, time.Hour); err != nil {
			b.Fatal(err)
		}
		r := newRiver(b, c, partitions)
		for range records / partitions / 5000 {
			r.fill(5000, 0, 1, 2, 3, 4, 5)
		}
		before, start := cpu(b), time.Now()
		b.StartTimer()
		r.start()
		for r.relay.sent.Load() < records {
			time.Sleep(time.Millisecond)
		}
		took += time.Since(start)
		spent += cpu(b) - before
		b.StopTimer()
		r.stop()
		cluster.Close()
		b.StartTimer()
	}
	n := float64(b.N) * records
	b.ReportMetric(n/took.Seconds(), "records/s")
	b.ReportMetric(float64(spent.Nanoseconds())/n, "cpu-ns/record")
	b.ReportMetric(0, "ns/op")
}

// cpu is what this process has spent so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
