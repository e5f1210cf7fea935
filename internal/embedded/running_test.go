package embedded

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnotherCommandFindsTheRunningEngines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, ok := Running(dir); ok {
		t.Fatal("engines are said to run in an empty folder")
	}
	s := New(Config{Dir: dir, Kafka: true, Throwaway: true, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	want, err := s.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, ok := Running(dir)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("Running = %v, %v:\n%s", got, ok, diff)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, ok := Running(dir); ok {
		t.Error("engines are said to run although they were stopped")
	}
}
