package position_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// consume reads a partition and moves its position, as loader and engine do, with nothing in between.
func consume(db *pgxpool.Pool, kafka *stream.Client) func(ctx context.Context, h position.Held) error {
	return func(ctx context.Context, h position.Held) error {
		for {
			err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
				p, err := h.Lock(ctx, tx)
				if err != nil {
					return err
				}
				records, err := kafka.Fetch(ctx, h.Topic, h.Partition, p.Next, 1<<20, 20*time.Millisecond)
				if err != nil {
					return err
				}
				for _, r := range records {
					if _, err := p.Admit(r); err != nil {
						return err
					}
				}
				return h.Save(ctx, tx, p)
			})
			if err != nil {
				return err
			}
		}
	}
}

func TestRecordsThatKafkaNoLongerHoldsHaltTheirPartition(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	kafka := engines.Cluster{Cluster: stream.Cluster{Brokers: cluster.ListenAddrs(), Keys: []keyring.Key{keyring.Generate(1)}}}.Open(t)
	if err := kafka.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	db, url := open(t, postgres.Loader)
	operator := openURL(t, url, postgres.Operator)
	stop := startConsumer(t, db, kafka)
	produce(t, kafka, 0, 1, 10)
	produce(t, kafka, 1, 1, 10)
	awaitNext(t, operator, 0, 10)
	awaitNext(t, operator, 1, 10)

	// While the consumer is away, five records more pass the retention before they were read.
	stop()
	produce(t, kafka, 0, 11, 20)
	produce(t, kafka, 1, 11, 20)
	if err := cluster.DeleteRecords(event.Orders, 0, 15); err != nil {
		t.Fatal(err)
	}
	startConsumer(t, db, kafka)
	awaitNext(t, operator, 1, 20)
	awaitHalt(t, operator, 0, "holds offsets 15 to 19, but 10 is the next to read")
	first, _, err := kafka.Offsets(t.Context(), event.Orders, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := position.Resume(t.Context(), operator, "loader", event.Orders, 0, position.FromFirst, first); err != nil {
		t.Fatal(err)
	}
	awaitHalt(t, operator, 0, "sequence 16")
	if err := position.Resume(t.Context(), operator, "loader", event.Orders, 0, position.AcceptLoss, 0); err != nil {
		t.Fatal(err)
	}
	awaitNext(t, operator, 0, 20)

	// The topic is recreated, and is shorter than the position.
	if err := cluster.DeleteTopic(event.Orders); err != nil {
		t.Fatal(err)
	}
	if err := kafka.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	awaitHalt(t, operator, 0, "but 20 is the next to read")
	awaitHalt(t, operator, 1, "but 20 is the next to read")
}

// startConsumer consumes orders until the function that it gives is called, or the test ends.
func startConsumer(t *testing.T, db *pgxpool.Pool, kafka *stream.Client) (stop func()) {
	t.Helper()
	k := position.NewKeeper(db, "loader", event.Orders, 2, "a", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := k.Run(ctx, consume(db, kafka)); err != nil {
			t.Errorf("Run gave %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func produce(t *testing.T, kafka *stream.Client, partition int, first, last uint64) {
	t.Helper()
	var records []stream.Record
	for seq := first; seq <= last; seq++ {
		records = append(records, stream.Record{Value: []byte("v"), Spool: [16]byte{1}, Seq: seq})
	}
	if err := kafka.Produce(t.Context(), event.Orders, partition, records); err != nil {
		t.Fatal(err)
	}
}

func awaitNext(t *testing.T, db *pgxpool.Pool, partition int, want int64) {
	t.Helper()
	until(t, 20*time.Second, "the position is where it should be", func() bool {
		var next int64
		err := db.QueryRow(t.Context(), "SELECT next_offset FROM position WHERE partition = $1", partition).Scan(&next)
		return err == nil && next == want
	})
}

func awaitHalt(t *testing.T, db *pgxpool.Pool, partition int, want string) {
	t.Helper()
	until(t, 20*time.Second, "the partition is halted because "+want, func() bool {
		var halted string
		err := db.QueryRow(t.Context(), "SELECT halted FROM position WHERE partition = $1", partition).Scan(&halted)
		return err == nil && strings.Contains(halted, want)
	})
}
