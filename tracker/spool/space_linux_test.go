package spool

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A real volume that is really full: records are refused while it is, taken afterwards, and nothing has to be repaired.
func TestAFullDiskIsSurvived(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tributary-test", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small volume needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := openSpool(t, Config{Dir: dir, SegmentBytes: 100_000})
	stop := running(t, s)
	payload := strings.Repeat("x", 4000)
	stored, refused := 0, 0
	try := func() error {
		ticket, err := s.Append(0, Live, []byte(payload))
		if err == nil {
			err = ticket.Wait(t.Context())
		}
		if err == nil {
			stored++
		}
		return err
	}
	for refused < 20 && stored < 1000 {
		if err := try(); errors.Is(err, ErrUnavailable) && errors.Is(err, syscall.ENOSPC) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if stored < 100 || refused < 20 {
		t.Fatalf("%d stored, %d refused", stored, refused)
	}
	// Acknowledged segments make room.
	s.cfg.Keep = 1
	if err := s.Prune(Cursor{Segment: 3}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := try(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	stop()
	want := stored
	got := records(t, s, Cursor{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openSpool(t, Config{Dir: dir})
	if !slices.Equal(records(t, again, Cursor{}), got) || again.Sequences()[0] != uint64(want) {
		t.Errorf("after a restart: lane at %d, want %d", again.Sequences()[0], want)
	}
}
