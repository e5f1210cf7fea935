package stream_test

import (
	"testing"
	"time"

	"tributary/test/engines"
)

func TestDescribeTellsHowTheBrokersKeepTopics(t *testing.T) {
	t.Parallel()
	c := engines.Kafka(t).Open(t)
	topics, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range topics {
		if !got.Missing {
			t.Errorf("before it is made: %+v, want it missing", got)
		}
	}
	if err := c.CreateTopics(t.Context(), 3, 5*time.Hour); err != nil {
		t.Fatal(err)
	}
	if topics, err = c.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(topics) != 3 {
		t.Fatalf("%d topics, want 3", len(topics))
	}
	for _, got := range topics {
		if got.Missing || got.Partitions != 3 || got.Leaderless != 0 || got.Replicas != 1 || got.InSync != 1 ||
			got.Retention != 5*time.Hour || got.Policy != "delete" || got.MaxBytes < 1<<20 || got.TimestampType != "CreateTime" {
			t.Errorf("%+v, want 3 partitions of one replica, kept for 5 hours", got)
		}
	}
}
