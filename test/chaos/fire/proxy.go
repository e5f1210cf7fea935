package fire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"tributary/internal/embedded"
)

// Proxy stands in front of one server and passes bytes on. While told to, it swallows answers: it lets a COMMIT, an insert
// or a produce through, waits for the server to answer it, and cuts the connection instead of passing the answer on, so
// that the caller cannot know what happened.
type Proxy struct {
	listener net.Listener
	engine   embedded.Engine

	mu       sync.Mutex
	target   string
	swallow  float64 // the probability with which an answer is swallowed
	refuse   bool
	swallows int
	open     map[net.Conn]struct{}
	working  sync.WaitGroup
	random   *rand.Rand
}

// linger is how long a swallowed answer's connection stays open, so that the server finishes what it was asked for.
const linger = 50 * time.Millisecond

// NewProxy listens on address, which may end in ":0", in front of a server of the given kind.
func NewProxy(ctx context.Context, engine embedded.Engine, address string, seed uint64) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("opening the proxy of %s: %w", engine, err)
	}
	p := &Proxy{
		listener: l, engine: engine, open: map[net.Conn]struct{}{},
		random: rand.New(rand.NewPCG(seed, 2)), //nolint:gosec // not a secret
	}
	p.working.Go(p.accept)
	return p, nil
}

// Address is where the proxy listens, host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Point says where the server is, host:port. Until then nobody is let through.
func (p *Proxy) Point(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Swallow sets the probability with which answers are swallowed from now on, 0 to 1.
func (p *Proxy) Swallow(probability float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = probability
}

// Refuse cuts every connection and lets none through, as if the server were gone, until it is called with false.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
	if refuse {
		for c := range p.open {
			_ = c.Close()
		}
	}
}

// Swallowed counts the answers that were swallowed so far.
func (p *Proxy) Swallowed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallows
}

// Close cuts every connection and returns when nothing runs any more.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Refuse(true)
	p.working.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.working.Go(func() { p.serve(client) })
	}
}

// enter takes a connection in, unless nobody is let through.
func (p *Proxy) enter(c net.Conn) (target string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.target == "" {
		return "", false
	}
	p.open[c] = struct{}{}
	return p.target, true
}

func (p *Proxy) leave(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *Proxy) serve(client net.Conn) {
	defer p.leave(client)
	target, ok := p.enter(client)
	if !ok {
		return
	}
	dialer := net.Dialer{Timeout: 3 * time.Second}
	server, err := dialer.DialContext(context.Background(), "tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	w := &watch{proxy: p}
	done := make(chan struct{})
	go func() {
		defer close(done)
		copyThrough(server, client, w.asked)
		_ = server.Close()
	}()
	copyThrough(client, server, w.answered)
	_ = client.Close()
	<-done
}

// copyThrough passes bytes on for as long as look agrees.
func copyThrough(dst, src net.Conn, look func(chunk []byte) bool) {
	chunk := make([]byte, 64<<10)
	for {
		n, err := src.Read(chunk)
		if n > 0 {
			if !look(chunk[:n]) {
				return
			}
			if _, err := dst.Write(chunk[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// watch follows one connection: is an answer on its way that is to be swallowed?
type watch struct {
	proxy *Proxy

	mu       sync.Mutex
	armed    bool
	inserted bool // ClickHouse: the insert is under way, its rows follow
	skip     int  // Kafka: bytes until the next request begins
	head     []byte
}

// asked looks at what the client sends. It always agrees: every request reaches the server.
func (w *watch) asked(chunk []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	critical := false
	switch w.proxy.engine {
	case embedded.Postgres:
		critical = bytes.Contains(bytes.ToLower(chunk), []byte("commit\x00"))
	case embedded.ClickHouse:
		critical = w.inserted
		w.inserted = bytes.Contains(chunk, []byte("INSERT INTO"))
	case embedded.Kafka:
		critical = w.produces(chunk)
	}
	if critical && !w.armed {
		w.armed = w.proxy.chance()
	}
	return true
}

// produces walks over the requests in a chunk, each behind its length, and tells whether one of them is a produce, whose
// number is 0.
func (w *watch) produces(chunk []byte) bool {
	found := false
	for len(chunk) > 0 {
		if w.skip > 0 {
			n := min(w.skip, len(chunk))
			w.skip -= n
			chunk = chunk[n:]
			continue
		}
		n := min(6-len(w.head), len(chunk))
		w.head = append(w.head, chunk[:n]...)
		chunk = chunk[n:]
		if len(w.head) == 6 {
			w.skip = max(0, int(binary.BigEndian.Uint32(w.head))-2)
			found = found || binary.BigEndian.Uint16(w.head[4:]) == 0
			w.head = w.head[:0]
		}
	}
	return found
}

// answered looks at what the server sends, and ends the connection where that is to be swallowed.
func (w *watch) answered([]byte) bool {
	w.mu.Lock()
	armed := w.armed
	w.mu.Unlock()
	if !armed {
		return true
	}
	time.Sleep(linger)
	w.proxy.mu.Lock()
	w.proxy.swallows++
	w.proxy.mu.Unlock()
	return false
}

// chance decides whether the next answer is swallowed.
func (p *Proxy) chance() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallow > 0 && p.random.Float64() < p.swallow
}
