package tracker

import (
	"net"
	"sync"
	"time"
)

// frugal is a listener whose connections spare net/http what a redirect would pay for and has no use of: with each
// request a read that waits for the visitor to hang up, and five changes of a deadline. That is a tenth of what a
// redirect costs. What is given up: the context of a request does not end when its visitor hangs up, so that the answer
// is made all the same, which takes Config.StoreWait at most; and a deadline may come up to deadlineSlack early.
type frugal struct {
	net.Listener

	patience time.Duration // with a peer who does not read
}

// Accept waits for the next connection.
func (l frugal) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &connection{TCPConn: tcp, patience: l.patience}, nil
	}
	return c, err
}

// deadlineSlack is how much earlier than asked a read may end for its deadline.
const deadlineSlack = time.Second

// connection sets a deadline only when a read is about to wait under it.
type connection struct {
	*net.TCPConn

	passed bool // the last read was passed over; only readers use it, of which net/http has one at a time

	patience time.Duration
	writable time.Time // the deadline of writes; only writers use it, of which net/http has one at a time

	mu       sync.Mutex
	reading  bool
	deadline time.Time // as it was asked for
	set      time.Time // as it was set
}

// Read reads, save that the first read of a single byte gives none. Such a read is how net/http waits, while a request
// is being answered, for the connection to end; nothing else reads one byte but where a buffer happens to have room for
// no more, and that asks again.
func (c *connection) Read(p []byte) (int, error) {
	if c.passed = len(p) == 1 && !c.passed; c.passed {
		return 0, nil
	}
	if err := c.begin(); err != nil {
		return 0, err
	}
	n, err := c.TCPConn.Read(p)
	c.mu.Lock()
	c.reading = false
	c.mu.Unlock()
	return n, err
}

// begin sets the deadline for the read that follows, unless the one that is set is near enough.
func (c *connection) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = true
	early := c.deadline.Sub(c.set)
	if c.deadline.IsZero() == c.set.IsZero() && early >= 0 && early < deadlineSlack {
		return nil
	}
	return c.apply()
}

// apply sets the deadline. The caller holds the lock.
func (c *connection) apply() error {
	c.set = c.deadline
	return c.TCPConn.SetReadDeadline(c.deadline)
}

// Write writes for as long as its patience at most, and half of that at least: the deadline is set only when it is near.
func (c *connection) Write(p []byte) (int, error) {
	if now := time.Now(); c.writable.Sub(now) < c.patience/2 {
		c.writable = now.Add(c.patience)
		if err := c.SetWriteDeadline(c.writable); err != nil {
			return 0, err
		}
	}
	return c.TCPConn.Write(p)
}

// SetReadDeadline sets when a read ends that waits then, at once where one is waiting; zero is never.
func (c *connection) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.reading {
		return c.apply()
	}
	return nil
}

// SetDeadline sets when reads and writes end.
func (c *connection) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
