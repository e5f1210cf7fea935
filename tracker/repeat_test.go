package tracker

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tributary/partners/program"
)

func TestARepeatIsToldWithinTheWindow(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	one, other := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	r := newRepeats(time.Hour)
	for _, row := range []struct {
		name  string
		link  program.LinkID
		ip    netip.Addr
		agent string
		at    time.Time
		want  bool
	}{
		{"the first visit", 1, one, "a", noon, false},
		{"at once again", 1, one, "a", noon, true},
		{"another link", 2, one, "a", noon, false},
		{"another address", 1, other, "a", noon, false},
		{"another agent", 1, one, "b", noon, false},
		{"a second earlier, by a slower request", 1, one, "a", noon.Add(-time.Second), true},
		{"just within the window", 1, one, "a", noon.Add(time.Hour - time.Second), true},
		{"the window has passed since the visit that counted", 1, one, "a", noon.Add(time.Hour), false},
		{"and again from there", 1, one, "a", noon.Add(2*time.Hour - time.Second), true},
		{"a new visitor late in a generation", 1, one, "c", noon.Add(3*time.Hour - time.Minute), false},
		{"is remembered when the generation has turned", 1, one, "c", noon.Add(4*time.Hour - 2*time.Minute), true},
		{"days later", 1, one, "a", noon.Add(100 * time.Hour), false},
	} {
		if got := r.seen(row.link, row.ip, row.agent, row.at); got != row.want {
			t.Errorf("%s: %t, want %t", row.name, got, row.want)
		}
	}
}

func TestManyVisitorsDoNotGrowTheMemory(t *testing.T) {
	t.Parallel()
	r := newRepeats(time.Hour)
	now := time.Now()
	const visitors = 3 * generationSlots
	told := 0
	for n := range visitors {
		ip := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		if r.seen(1, ip, "a", now) {
			told++
		}
	}
	if told != 0 {
		t.Errorf("%d of %d different visitors were taken for repeats", told, visitors)
	}
	if used := r.current.used.Load(); used > generationSlots*3/4 || len(r.current.slots) != generationSlots || len(r.previous.slots) != generationSlots {
		t.Errorf("%d slots of %d are used", used, len(r.current.slots))
	}
	if last := netip.AddrFrom4([4]byte{10, byte((visitors - 1) >> 16), byte((visitors - 1) >> 8 & 0xff), byte((visitors - 1) & 0xff)}); !r.seen(1, last, "a", now) {
		t.Error("the last visitor is not remembered")
	}
}

func TestOneOfManyAtOnceCounts(t *testing.T) {
	t.Parallel()
	r := newRepeats(time.Hour)
	ip := netip.MustParseAddr("2001:db8::1")
	now := time.Now()
	for link := range program.LinkID(200) {
		var counted atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if !r.seen(link, ip, "a", now) {
					counted.Add(1)
				}
			})
		}
		wg.Wait()
		if counted.Load() != 1 {
			t.Errorf("link %d: %d of 8 visits at once counted", link, counted.Load())
		}
	}
}
