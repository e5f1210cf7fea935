package fire

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"tributary/internal/fault/inject"
)

// Deed is a kind of fault.
type Deed string

// The deeds of a schedule.
const (
	KillProcess Deed = "kill"    // SIGKILL to processes under test
	KillServer  Deed = "crash"   // SIGKILL to engine servers
	Freeze      Deed = "freeze"  // SIGSTOP, for longer than a lease
	Swallow     Deed = "swallow" // answers of a server are lost for a while
	Verify      Deed = "verify"  // the program verifies itself in the middle of it all
)

// Action is one fault at a time of its own.
type Action struct {
	At      time.Duration // since the beginning of the faults
	Do      Deed
	Targets []string
	For     time.Duration
	Chance  float64
}

// String is the action on one line.
func (a Action) String() string {
	text := fmt.Sprintf("%6.1fs %s %s", a.At.Seconds(), a.Do, strings.Join(a.Targets, " and "))
	if a.For > 0 {
		text += fmt.Sprintf(" for %.0fs", a.For.Seconds())
	}
	if a.Chance > 0 {
		text += fmt.Sprintf(" with probability %.2f", a.Chance)
	}
	return text
}

// Schedule is the faults of the plan "mixed": a function of the seed and the length alone.
func Schedule(seed uint64, length time.Duration) []Action {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // it must be repeatable
	between := func(low, high time.Duration) time.Duration {
		return low + time.Duration(random.Int64N(int64(high-low)))
	}
	servers := []string{"postgres", "clickhouse", "kafka"}
	var actions []Action
	for at := between(time.Second, 4*time.Second); at < length; at += between(1200*time.Millisecond, 4*time.Second) {
		a := Action{At: at}
		switch dice := random.IntN(100); {
		case dice < 45:
			all := []string{"tracker", "loader-1", "loader-2", "engine-1", "engine-2"}
			a.Do, a.Targets = KillProcess, some(random, all)
		case dice < 68:
			a.Do, a.Targets = KillServer, some(random, servers)
		case dice < 83:
			all := []string{"loader-1", "loader-2", "engine-1", "engine-2"}
			a.Do, a.Targets, a.For = Freeze, []string{all[random.IntN(len(all))]}, between(9*time.Second, 20*time.Second)
		case dice < 86:
			a.Do = Verify
		default:
			a.Do, a.Targets = Swallow, []string{servers[random.IntN(len(servers))]}
			a.For, a.Chance = between(4*time.Second, 12*time.Second), 0.1+0.3*random.Float64()
		}
		actions = append(actions, a)
	}
	return actions
}

// some picks one name, one time in six two, and one time in twelve three.
func some(random *rand.Rand, names []string) []string {
	n := 1
	switch dice := random.IntN(12); {
	case dice == 0:
		n = 3
	case dice <= 2:
		n = 2
	}
	var picked []string
	for _, i := range random.Perm(len(names))[:n] {
		picked = append(picked, names[i])
	}
	return picked
}

// Arming is the failpoint that a process starts with, "" for none: all points of its role in turn, from one that depends
// on the seed and the name, in two of three starts. One in six freezes there instead of ending, except in the tracker,
// which no other one stands in for.
func Arming(seed uint64, name, role string, start int) string {
	points := pointsOf(role)
	h := fnv.New64a()
	fmt.Fprint(h, name)
	random := rand.New(rand.NewPCG(seed^h.Sum64(), uint64(start))) //nolint:gosec // it must be repeatable
	if len(points) == 0 || random.IntN(3) == 0 {
		return ""
	}
	first := int((seed ^ h.Sum64()) % uint64(len(points)))
	point := points[(first+start)%len(points)]
	armed := fmt.Sprintf("%s@%d", point, 1+random.IntN(passes(point)))
	if role != "tracker" && random.IntN(6) == 0 {
		armed += ":stop"
	}
	return armed
}

// thawAfter is how long a process that froze at its failpoint stays so.
func thawAfter(seed uint64, start int) time.Duration {
	random := rand.New(rand.NewPCG(seed, uint64(start))) //nolint:gosec // it must be repeatable
	return 9*time.Second + time.Duration(random.Int64N(int64(11*time.Second)))
}

// pointsOf lists the failpoints that a role can come to.
func pointsOf(role string) []inject.Point {
	stages := map[string][]string{
		"tracker": {"tracker", "spool", "relay"},
		"loader":  {"loader", "position", "producer"},
		"engine":  {"engine", "position", "seal"},
	}[role]
	var points []inject.Point
	for _, p := range inject.Points() {
		for _, stage := range stages {
			if strings.HasPrefix(string(p), stage+"/") {
				points = append(points, p)
			}
		}
	}
	return points
}

// passes is how often at most a point lets a process pass: often where there is much traffic, and hardly where a process
// comes by only now and then.
func passes(p inject.Point) int {
	switch stage, _, _ := strings.Cut(string(p), "/"); {
	case p == inject.SpoolAfterSegment, stage == "seal":
		return 1
	case p == inject.RelayBeforePlace, p == inject.RelayAfterPlace: // once a second
		return 4
	case stage == "position":
		return 2
	case stage == "tracker":
		return 40
	case stage == "spool":
		return 200
	case stage == "relay":
		return 60
	}
	return 6
}
