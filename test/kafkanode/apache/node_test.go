package apache_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/stream"
	"tributary/test/kafkanode/apache"
)

// start gives a node of the test's own, with Apache Kafka's jars.
func start(t *testing.T, cfg apache.Config) *apache.Node {
	t.Helper()
	if os.Getenv("TRIBUTARY_TEST_KAFKA_URL") == "" {
		t.Skip("make test-kafka runs it")
	}
	var err error
	if cfg.Jars, err = apache.Install(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = t.TempDir()
	node, err := apache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Stop)
	return node
}

func TestWhatIsAcknowledgedIsThereAfterAKill(t *testing.T) {
	t.Parallel()
	node := start(t, apache.Config{})
	c, err := stream.Open(stream.Cluster{Brokers: []string{node.Address()}, Keys: []keyring.Key{keyring.Generate(1)}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	first := node.Pid()
	for life := range 2 {
		if err := c.Produce(t.Context(), event.Orders, 1, []stream.Record{{Value: []byte("kept"), Seq: uint64(life + 1)}}); err != nil {
			t.Fatal(err)
		}
		node.Kill()
		killed := time.Now()
		if err := c.Produce(t.Context(), event.Orders, 1, []stream.Record{{Value: []byte("nobody listens"), Seq: 9}}); err == nil {
			t.Fatal("a killed broker took a record")
		}
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		awaitEnd(t, c, int64(life+1))
		t.Logf("killed; answers after %v, leads again after %v more", started.Sub(killed).Round(time.Millisecond), time.Since(started).Round(time.Millisecond))
	}
	if node.Pid() == 0 || node.Pid() == first {
		t.Errorf("the process is %d, and was %d before it was killed", node.Pid(), first)
	}
}

// awaitEnd waits until the broker leads the partition again, and checks what it holds.
func awaitEnd(t *testing.T, c *stream.Client, want int64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		first, end, err := c.Offsets(t.Context(), event.Orders, 1)
		if err == nil {
			if first != 0 || end != want {
				t.Fatalf("the partition holds offsets %d to %d, want 0 to %d", first, end, want)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
