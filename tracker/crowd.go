package tracker

import (
	"net/netip"
	"sync"
	"time"
)

// maxCrowd bounds the networks that are told apart within a minute; what comes from further ones has to wait.
const maxCrowd = 200_000

// crowd bounds what browsers of one network, a /24 or a /48, may send within a minute: nobody who guesses order ids gets far,
// though telephone companies put many people behind one address.
type crowd struct {
	most int

	mu     sync.Mutex
	minute int64
	sent   map[netip.Prefix]int
}

func newCrowd(most int) *crowd { return &crowd{most: most, sent: map[netip.Prefix]int{}} }

// admit takes one request of an address, or says that its network has sent enough for this minute.
func (c *crowd) admit(addr netip.Addr, at time.Time) bool {
	network := prefixOf(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if minute := at.Unix() / 60; minute != c.minute {
		c.minute = minute
		clear(c.sent)
	}
	n, known := c.sent[network]
	if n >= c.most || !known && len(c.sent) >= maxCrowd {
		return false
	}
	c.sent[network] = n + 1
	return true
}
