package stream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/internal/event"
	"tributary/internal/keyring"
)

func TestALinkThatFailsForLongIsReplaced(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	c, err := Open(Cluster{Brokers: broker.ListenAddrs(), Keys: []keyring.Key{keyring.Generate(1)}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	c.stalls.limit = 50 * time.Millisecond
	// kafka-go has lost its way: it takes every broker to be somewhere else.
	stuck := c.newLink()
	stuck.transport.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("stuck") }
	c.link.Store(stuck)
	deadline := time.Now().Add(30 * time.Second)
	for failures := 0; ; failures++ {
		err := c.Produce(t.Context(), event.Touches, 0, []Record{{Seq: 1}})
		if err == nil {
			if failures == 0 {
				t.Error("the link was not stuck")
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestOnlyWhatFailsForLongIsAStall(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	away := errors.New("connection refused")
	at, other := place{"touches", 1, protocol.Fetch}, place{"touches", 2, protocol.Fetch}
	type step struct {
		after     time.Duration
		at        place
		err       error
		abandoned bool
		due       bool
	}
	for name, steps := range map[string][]step{
		"a minute":                    {{0, at, away, false, false}, {29 * time.Second, at, away, false, false}, {30 * time.Second, at, away, false, true}},
		"not twice in half a minute":  {{0, at, away, false, false}, {40 * time.Second, at, away, false, true}, {50 * time.Second, at, away, false, false}, {70 * time.Second, at, away, false, true}},
		"success ends it":             {{0, at, away, false, false}, {20 * time.Second, at, nil, false, false}, {40 * time.Second, at, away, false, false}},
		"an answer is a success":      {{0, at, away, false, false}, {20 * time.Second, at, kafka.OffsetOutOfRange, false, false}, {40 * time.Second, at, away, false, false}},
		"other places do not help it": {{0, at, away, false, false}, {20 * time.Second, other, nil, false, false}, {40 * time.Second, at, away, false, true}},
		"who gives up says nothing":   {{0, at, away, true, false}, {40 * time.Second, at, away, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stalls{failing: make(map[place]time.Time), limit: stalledAfter}
			for i, st := range steps {
				if due := s.due(st.at, st.err, st.abandoned, start.Add(st.after)); due != st.due {
					t.Errorf("step %d: due is %v", i, due)
				}
			}
		})
	}
}

func TestABrokerThatWithholdsRecordsIsAnError(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	c, err := Open(Cluster{Brokers: broker.ListenAddrs(), Keys: []keyring.Key{keyring.Generate(1)}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	broker.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		answer := request.ResponseKind().(*kmsg.FetchResponse)
		answer.Topics = []kmsg.FetchResponseTopic{{Topic: event.Touches, Partitions: []kmsg.FetchResponseTopicPartition{{HighWatermark: 5}}}}
		return answer, nil, true
	})
	if _, err := c.Fetch(t.Context(), event.Touches, 0, 3, 1<<20, time.Second); !errors.Is(err, errWithheld) {
		t.Errorf("records 3 and 4 were not given, and Fetch gave %v", err)
	}
}
