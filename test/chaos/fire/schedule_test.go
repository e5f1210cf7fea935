package fire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/fault/inject"
	"tributary/test/chaos/fire"
)

func TestFaultsFollowFromTheSeed(t *testing.T) {
	t.Parallel()
	first := fire.Schedule(7, 10*time.Minute)
	if diff := cmp.Diff(first, fire.Schedule(7, 10*time.Minute)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(first, fire.Schedule(8, 10*time.Minute)) {
		t.Error("two seeds, one schedule")
	}
	deeds := map[fire.Deed]int{}
	together := map[int]bool{}
	last := time.Duration(0)
	for _, a := range first {
		if a.At <= last || a.At >= 10*time.Minute {
			t.Errorf("%v after %v", a.At, last)
		}
		if a.Do == fire.Freeze && a.For <= 8*time.Second {
			t.Errorf("%v: a lease outlives it", a)
		}
		last = a.At
		deeds[a.Do] += len(a.Targets)
		if a.Do == fire.KillServer {
			together[len(a.Targets)] = true
		}
	}
	if !together[1] || !together[2] || !together[3] {
		t.Errorf("servers are killed together in numbers of %v, want 1, 2 and 3", together)
	}
	for deed, least := range map[fire.Deed]int{fire.KillProcess: 50, fire.KillServer: 20, fire.Freeze: 10, fire.Swallow: 10} {
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
			text := fire.Arming(3, name, role, start)
			if text != fire.Arming(3, name, role, start) {
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
