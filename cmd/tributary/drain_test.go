package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tributary/internal/event"
	"tributary/test/engines"
	"tributary/tracker/spool"
)

// What a tracker's disk still holds reaches Kafka without the tracker.
func TestASpoolThatWasMovedAwayIsSent(t *testing.T) {
	t.Parallel()
	cluster := engines.Kafka(t)
	environ := append(cluster.Environ(), "TRIBUTARY_PARTITIONS=2")
	kafka := cluster.Open(t)
	if err := kafka.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	const records = 500
	folder := t.TempDir()
	fillSpool(t, filepath.Join(folder, "spool"), records)
	arrived := func() (n int64) {
		t.Helper()
		for _, topic := range []string{event.Touches, event.Orders} {
			for partition := range 2 {
				_, end, err := kafka.Offsets(t.Context(), topic, partition)
				if err != nil {
					t.Fatal(err)
				}
				n += end
			}
		}
		return n
	}
	for _, want := range []string{"500 records were sent now", "0 records were sent now"} {
		out, err := tributary(t.Context(), t, environ, "spool", "drain", folder)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%q, %v, want %q", out, err, want)
		}
		if n := arrived(); n != records {
			t.Errorf("%d records in Kafka, want %d", n, records)
		}
	}
	if err := os.Remove(filepath.Join(folder, "relay.cursor")); err != nil {
		t.Fatal(err)
	}
	if out, err := tributary(t.Context(), t, environ, "spool", "drain", folder); err != nil || !strings.Contains(out, "500 records were sent now") {
		t.Errorf("without a cursor: %q, %v", out, err)
	}
	if _, err := tributary(t.Context(), t, environ, "spool", "drain", filepath.Join(folder, "nothing")); err == nil {
		t.Error("a folder without a spool was sent")
	}
}

// fillSpool makes a spool of four lanes.
func fillSpool(t *testing.T, dir string, records int) {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: dir, Lanes: 4, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var last spool.Ticket
	for i := range records {
		id := uuid.New()
		payload, err := (&event.Event{Id: id[:], Body: &event.Event_Click{Click: &event.Click{ClickId: id.String(), MerchantId: 1}}}).MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if last, err = s.Append(i%4, spool.Live, payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
