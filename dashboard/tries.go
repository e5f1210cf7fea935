package dashboard

import (
	"crypto/sha256"
	"net/netip"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// How often a password may be tried, at once and again in an hour. A person who signed in from a device before has tries
// of their own there, whatever others do and wherever they are.
//
// On a new device an owner is refused while their own /24 or /48 has used up its tries at the account, their address has
// used up those at all accounts, or strangers have used up triesPerAccount: that takes 20 networks which guess without
// end, and one try comes back every 36 seconds all the same. A hundred is NIST SP 800-63B's bound for one account.
const (
	triesPerDevice  = 5 // at the account that a known device knows
	triesPerNetwork = 5 // at one account, from one IPv4 /24 or IPv6 /48
	triesPerAccount = 100
	triesPerAddress = 60 // at all accounts; see networks
	triesEvery      = time.Hour
	triesKept       = 200_000 // budgets remembered: 40 MB
)

// tries counts attempts to sign in by account, device and address. It remembers a bounded number of each, in this
// process.
type tries struct {
	mu      sync.Mutex
	buckets *lru.Cache[[sha256.Size]byte, *bucket]
}

// A budget is a number of tries that some attempts share. Its key has one size however long the names are.
type budget struct {
	key   [sha256.Size]byte
	limit int
}

func newBudget(limit int, kind, name string) budget {
	return budget{key: sha256.Sum256([]byte(kind + "\x00" + name)), limit: limit}
}

// budgets are those that a try at an account draws from. The first is given back whole when the password was right.
func budgets(email, address string, known bool) []budget {
	if known {
		return []budget{newBudget(triesPerDevice, "device", email)}
	}
	all := []budget{
		newBudget(triesPerNetwork, "account and network", email+" "+prefixOf(address, 24, 48)),
		newBudget(triesPerAccount, "account", email),
	}
	for _, n := range networks(address) {
		all = append(all, newBudget(triesPerAddress*n.times, "address", n.name))
	}
	return all
}

// A bucket holds tries that come back over time.
type bucket struct {
	used  int       // of which some may have come back since
	since time.Time // when used was last brought up to date
}

func newTries() *tries {
	cache, err := lru.New[[sha256.Size]byte, *bucket](triesKept)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &tries{buckets: cache}
}

// take uses up one try of each budget and tells whether there was one, and otherwise how long to wait.
func (t *tries) take(now time.Time, from []budget) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, of := range from {
		if b, ok := t.buckets.Get(of.key); ok && b.at(now, of.limit) >= of.limit {
			wait = max(wait, b.since.Add(triesEvery/time.Duration(of.limit)).Sub(now))
		}
	}
	if wait > 0 {
		return wait, false
	}
	// A try that is refused makes no bucket: nobody without tries can make this forget the tries of others.
	for _, of := range from {
		b, ok := t.buckets.Get(of.key)
		if !ok {
			b = &bucket{since: now}
			t.buckets.Add(of.key, b)
		}
		b.at(now, of.limit)
		b.used++
	}
	return 0, true
}

// giveBack undoes a take whose password was never compared.
func (t *tries) giveBack(from []budget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, of := range from {
		if b, ok := t.buckets.Get(of.key); ok && b.used > 0 {
			b.used--
		}
	}
}

// succeeded gives the first budget back whole after a password that was right, and one try to the others: somebody with an
// account of their own does not thereby get more guesses at others.
func (t *tries) succeeded(from []budget) {
	t.giveBack(from[1:])
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buckets.Remove(from[0].key)
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

// A block is a network and how many times as much as one address it may ask for.
type block struct {
	name  string
	times int
}

// networks are those that an address is held to the limits of: the whole of IPv4; the /64, /56 and /48 of IPv6, since one
// customer of a provider may have any of them.
func networks(address string) []block {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return []block{{network(address), 1}}
	}
	return []block{{network(address), 1}, {prefixOf(address, 32, 56), 2}, {prefixOf(address, 32, 48), 4}}
}

// network is the part of an address that is logged: the whole of IPv4, the /64 of IPv6.
func network(address string) string { return prefixOf(address, 32, 64) }

func prefixOf(address string, bits4, bits6 int) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	a, bits := a.Unmap().WithZone(""), bits6
	if a.Is4() {
		bits = bits4
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	if prefix.IsSingleIP() {
		return a.String()
	}
	return prefix.Masked().Addr().String() + "/" + strconv.Itoa(bits)
}
