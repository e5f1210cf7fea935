package stream_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/stream"
	"tributary/test/engines"
)

const (
	benchRecords = 100_000
	benchBatch   = 500
	benchBytes   = 300
)

// broker runs kfake in this process.
func broker(b *testing.B) []string {
	b.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}

func client(b *testing.B, brokers []string) *stream.Client {
	b.Helper()
	return engines.Cluster{Cluster: stream.Cluster{Brokers: brokers, Prefix: "bench.", Keys: []keyring.Key{keyring.Generate(1)}}}.Open(b)
}

func benchRecordsOf(n int) []stream.Record {
	random := rand.New(rand.NewPCG(1, 2))
	records := make([]stream.Record, n)
	for i := range records {
		value := make([]byte, benchBytes)
		for j := range value {
			value[j] = byte('a' + random.IntN(26))
		}
		records[i] = stream.Record{Key: []byte("aUgEBAAAAAAAAAABAZkI4XgAmrGvT2QFb6Jx9Q"), Value: value, Spool: [16]byte{1}}
	}
	return records
}

// BenchmarkProduceFetch sends 100,000 records of 300 bytes in batches of 500 to a broker in this process and reads
// them back, once as the river does and once by kafka-go's own client.
func BenchmarkProduceFetch(b *testing.B) {
	batch := benchRecordsOf(benchBatch)
	b.Run("stream", func(b *testing.B) {
		c := client(b, broker(b))
		if err := c.CreateTopics(b.Context(), 1, time.Hour); err != nil {
			b.Fatal(err)
		}
		var producing, fetching time.Duration
		b.ReportAllocs()
		before := cpu(b)
		offset := int64(0)
		for b.Loop() {
			start := time.Now()
			for range benchRecords / benchBatch {
				for i := range batch {
					batch[i].Seq++
				}
				if err := c.Produce(b.Context(), topic, 0, batch); err != nil {
					b.Fatal(err)
				}
			}
			producing += time.Since(start)
			start = time.Now()
			for end := offset + benchRecords; offset < end; {
				records, err := c.Fetch(b.Context(), topic, 0, offset, 1<<20, time.Second)
				if err != nil {
					b.Fatal(err)
				}
				offset += int64(len(records))
			}
			fetching += time.Since(start)
		}
		report(b, producing, fetching, cpu(b)-before)
	})
	b.Run("kafka-go", func(b *testing.B) {
		brokers := broker(b)
		c := client(b, brokers)
		if err := c.CreateTopics(b.Context(), 1, time.Hour); err != nil {
			b.Fatal(err)
		}
		transport := &kafka.Transport{}
		defer transport.CloseIdleConnections()
		client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 5 * time.Second}
		var producing, fetching time.Duration
		b.ReportAllocs()
		before := cpu(b)
		offset := int64(0)
		for b.Loop() {
			start := time.Now()
			for range benchRecords / benchBatch {
				if err := libraryProduce(b.Context(), client, batch); err != nil {
					b.Fatal(err)
				}
			}
			producing += time.Since(start)
			start = time.Now()
			for end := offset + benchRecords; offset < end; {
				n, err := libraryFetch(b.Context(), client, offset)
				if err != nil {
					b.Fatal(err)
				}
				offset += int64(n)
			}
			fetching += time.Since(start)
		}
		report(b, producing, fetching, cpu(b)-before)
	})
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

func report(b *testing.B, producing, fetching, spent time.Duration) {
	b.Helper()
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/benchRecords, "cpu-ns/record")
	n := float64(b.N) * benchRecords
	b.ReportMetric(n/producing.Seconds(), "produced/s")
	b.ReportMetric(n/fetching.Seconds(), "fetched/s")
	b.ReportMetric(0, "ns/op")
}

func libraryProduce(ctx context.Context, client *kafka.Client, batch []stream.Record) error {
	out := make([]kafka.Record, len(batch))
	for i, r := range batch {
		out[i] = kafka.Record{
			Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value),
			Headers: []protocol.Header{
				{Key: event.HeaderSpool, Value: r.Spool[:]},
				{Key: event.HeaderSequence, Value: binary.BigEndian.AppendUint64(nil, r.Seq)},
				{Key: event.HeaderFormat, Value: []byte(event.Format)},
			},
		}
	}
	response, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: "bench." + topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(out...),
	})
	if err != nil {
		return err
	}
	return response.Error
}

func libraryFetch(ctx context.Context, client *kafka.Client, offset int64) (int, error) {
	response, err := client.Fetch(ctx, &kafka.FetchRequest{
		Topic: "bench." + topic, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second,
	})
	if err != nil {
		return 0, err
	}
	n := 0
	for {
		r, err := response.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		key, err1 := kafka.ReadAll(r.Key)
		value, err2 := kafka.ReadAll(r.Value)
		if err := errors.Join(err1, err2); err != nil || len(key) == 0 || len(value) == 0 {
			return n, err
		}
		if r.Offset >= offset {
			n++
		}
	}
}

// BenchmarkCodec compares what compressing a batch of 500 click-like records costs with what it saves.
func BenchmarkCodec(b *testing.B) {
	var batch bytes.Buffer
	for _, r := range benchRecordsOf(benchBatch) {
		batch.Write(r.Key)
		batch.Write(r.Value[:100]) // what differs from click to click
		batch.WriteString("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36shop.example/landing/pageGBdesktopmacOSChrome")
	}
	for _, codec := range []kafka.Compression{kafka.Snappy, kafka.Lz4} {
		b.Run(codec.String(), func(b *testing.B) {
			b.SetBytes(int64(batch.Len()))
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				w := codec.Codec().NewWriter(&out)
				if _, err := w.Write(batch.Bytes()); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(batch.Len())/float64(out.Len()), "ratio")
		})
	}
}
