package chaos_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/chaos"
	"tributary/internal/fault/inject"
)

func TestFaultsFollowFromTheSeed(t *testing.T) {
	t.Parallel()
	first := chaos.Schedule(7, 10*time.Minute)
	if diff := cmp.Diff(first, chaos.Schedule(7, 10*time.Minute)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(first, chaos.Schedule(8, 10*time.Minute)) {
		t.Error("two seeds, one schedule")
	}
	deeds := map[chaos.Deed]int{}
	together := map[int]bool{}
	last := time.Duration(0)
	for _, a := range first {
		if a.At <= last || a.At >= 10*time.Minute {
			t.Errorf("%v after %v", a.At, last)
		}
		if a.Do == chaos.Freeze && a.For <= 8*time.Second {
			t.Errorf("%v: a lease outlives it", a)
		}
		last = a.At
		deeds[a.Do] += len(a.Targets)
		if a.Do == chaos.KillServer {
			together[len(a.Targets)] = true
		}
	}
	if !together[1] || !together[2] || !together[3] {
		t.Errorf("servers are killed together in numbers of %v, want 1, 2 and 3", together)
	}
	for deed, least := range map[chaos.Deed]int{chaos.KillProcess: 50, chaos.KillServer: 20, chaos.Freeze: 10, chaos.Swallow: 10} {
		if deeds[deed] < least {
			t.Errorf("%d of %s in ten minutes, want %d", deeds[deed], deed, least)
		}
	}
}

func TestEveryFailpointHasItsTurn(t *testing.T) {
	t.Parallel()
	armed := map[inject.Point]bool{}
	for name, role := range map[string]string{"tracker": "tracker", "loader-1": "loader", "engine-2": "engine"} {
		for start := range 60 {
			text := chaos.Arming(3, name, role, start)
			if text != chaos.Arming(3, name, role, start) {
				t.Fatal("one seed, two failpoints")
			}
			point, _, _ := strings.Cut(text, "@")
			armed[inject.Point(point)] = true
			if role == "tracker" && strings.HasSuffix(text, ":stop") {
				t.Error("a tracker that freezes has nobody to stand in for it:", text)
			}
		}
	}
	for _, p := range inject.Points() {
		if !armed[p] {
			t.Errorf("%s is never armed", p)
		}
	}
}
