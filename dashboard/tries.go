package dashboard

import (
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// How often a password may be tried. A person who signed in from a device before has tries of their own there, so that
// somebody else's guessing does not lock them out.
const (
	triesPerAccount = 5 // at once, and as many again in an hour
	triesPerAddress = 60
	triesEvery      = time.Hour // in which they come back, evenly
	triesKept       = 100_000   // accounts and addresses remembered
)

// tries counts attempts to sign in by account, device and address. It remembers a bounded number of each, in this
// process.
type tries struct {
	mu      sync.Mutex
	buckets *lru.Cache[string, *bucket]
}

// A bucket holds tries that come back over time.
type bucket struct {
	used  int       // of which some may have come back since
	since time.Time // when used was last brought up to date
}

func newTries() *tries {
	cache, err := lru.New[string, *bucket](triesKept)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &tries{buckets: cache}
}

// take uses up one try of each name and tells whether there was one, and otherwise how long to wait.
func (t *tries) take(now time.Time, names map[string]int) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, limit := range names {
		if b, ok := t.buckets.Get(name); ok && b.at(now, limit) >= limit {
			wait = max(wait, b.since.Add(triesEvery/time.Duration(limit)).Sub(now))
		}
	}
	if wait > 0 {
		return wait, false
	}
	// A try that is refused makes no bucket: nobody without tries can make this forget the tries of others.
	for name, limit := range names {
		b, ok := t.buckets.Get(name)
		if !ok {
			b = &bucket{since: now}
			t.buckets.Add(name, b)
		}
		b.at(now, limit)
		b.used++
	}
	return 0, true
}

// succeeded gives an account all its tries back after a password that was right, and the address this one: somebody
// with an account of their own does not thereby get more guesses at others.
func (t *tries) succeeded(account, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buckets.Remove(account)
	if b, ok := t.buckets.Get(address); ok && b.used > 0 {
		b.used--
	}
}

// at brings a bucket up to date and tells how many of its tries are used.
func (b *bucket) at(now time.Time, limit int) int {
	every := triesEvery / time.Duration(limit)
	if back := int(now.Sub(b.since) / every); back > 0 {
		b.used = max(0, b.used-back)
		b.since = b.since.Add(time.Duration(back) * every)
	}
	if b.used == 0 {
		b.since = now
	}
	return b.used
}

// network is the part of an address that one customer of a provider has: the whole of IPv4, the /64 of IPv6.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	a = a.Unmap()
	if a.Is4() {
		return a.String()
	}
	prefix, err := a.WithZone("").Prefix(64)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
