package tracker

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tributary/partners/program"
)

// maxWindow is the longest time over which repeats are told: half of what the clock in a slot can count.
const maxWindow = 90 * 24 * time.Hour

// repeats remembers who followed which link and when, in memory that does not grow: two generations of slots, each for
// one window or until it is three quarters full. When more visitors come within a window than that, about 780,000, the
// oldest are forgotten early and their repeats count: the error is on the side of counting.
//
// A visit is known by a hash under a key of this process, and its time in whole seconds. Two visitors fall together with
// a probability of about 2^-39 for each pair in neighbouring slots.
type repeats struct {
	seed   maphash.Seed
	window int64 // seconds

	turning  sync.RWMutex // held for writing while the generations turn
	current  *generation
	previous *generation
	began    int64 // when the current generation began, seconds; under turning
}

// generationSlots is a power of two; each slot takes 8 bytes.
const generationSlots = 1 << 20

// generation is an open hash table of slots: a mark that the slot is taken, 39 bits of the hash, 24 bits of the time.
type generation struct {
	slots []atomic.Uint64
	used  atomic.Int64
}

const (
	timeBits = 24
	timeMask = 1<<timeBits - 1
	taken    = 1 << 63
)

func newRepeats(window time.Duration) *repeats {
	return &repeats{
		seed: maphash.MakeSeed(), window: int64(window / time.Second),
		current:  &generation{slots: make([]atomic.Uint64, generationSlots)},
		previous: &generation{slots: make([]atomic.Uint64, generationSlots)},
	}
}

// visitor is what makes two visits one visitor's.
type visitor struct {
	link  program.LinkID
	ip    [16]byte
	agent string
}

// seen tells whether the visitor has followed the link, and that visit counted, within the window before at. If not, this
// visit is remembered. Times may come slightly out of order.
func (r *repeats) seen(link program.LinkID, ip netip.Addr, agent string, at time.Time) bool {
	hash := maphash.Comparable(r.seed, visitor{link, ip.As16(), agent})
	seconds := at.Unix()
	r.turning.RLock()
	for seconds-r.began >= r.window || r.current.used.Load() >= generationSlots*3/4 {
		r.turning.RUnlock()
		r.turn(seconds)
		r.turning.RLock()
	}
	defer r.turning.RUnlock()
	if then, found := r.previous.find(hash); found && r.within(then, seconds) {
		return true
	}
	return r.current.swap(hash, seconds, r.within)
}

// turn makes the current generation the previous one and begins an empty one.
func (r *repeats) turn(seconds int64) {
	r.turning.Lock()
	defer r.turning.Unlock()
	if seconds-r.began < r.window && r.current.used.Load() < generationSlots*3/4 {
		return // another visit has turned it
	}
	r.current, r.previous = r.previous, r.current
	clear(r.current.slots)
	r.current.used.Store(0)
	r.began = seconds
}

// within tells whether two times, of which only timeBits are known, are less than a window apart.
func (r *repeats) within(then, now int64) bool {
	apart := (now - then) & timeMask
	return apart < r.window || timeMask+1-apart < r.window
}

// find gives the time of a visit.
func (g *generation) find(hash uint64) (then int64, found bool) {
	for i := hash; ; i++ {
		slot := g.slots[i%generationSlots].Load()
		if slot == 0 {
			return 0, false
		}
		if same(slot, hash) {
			return int64(slot & timeMask), true
		}
	}
}

// swap tells whether the visit is there within the window, and puts it there at its new time when it is not.
func (g *generation) swap(hash uint64, seconds int64, within func(then, now int64) bool) bool {
	visit := taken | hash&^(taken|timeMask) | uint64(seconds)&timeMask
	for i := hash; ; {
		slot := &g.slots[i%generationSlots]
		old := slot.Load()
		switch {
		case old != 0 && !same(old, hash):
			i++
			continue
		case old != 0 && within(int64(old&timeMask), seconds):
			return true
		case slot.CompareAndSwap(old, visit):
			if old == 0 {
				g.used.Add(1)
			}
			return false
		}
	}
}

func same(slot, hash uint64) bool { return (slot^hash)&^(taken|timeMask) == 0 }
