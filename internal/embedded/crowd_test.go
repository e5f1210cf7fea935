package embedded

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// strangers are connections that never say who they are.
type strangers struct {
	conns []net.Conn
	since time.Time
}

// crowd opens 420 connections, says hello on each, and leaves it at that.
func crowd(t *testing.T, address string, hello []byte) *strangers {
	t.Helper()
	s := &strangers{since: time.Now()}
	for range 420 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := conn.Write(hello); err != nil {
			t.Fatal(err)
		}
		s.conns = append(s.conns, conn)
	}
	return s
}

// left wants the server to have hung up on all of them before long. It has three seconds for each; a loaded machine takes longer.
func (s *strangers) left(t *testing.T) {
	t.Helper()
	const limit = 25 * time.Second
	var all sync.WaitGroup
	for _, conn := range s.conns {
		all.Go(func() {
			var said bytes.Buffer
			if err := conn.SetReadDeadline(s.since.Add(limit)); err != nil {
				t.Error(err)
			}
			if _, err := said.ReadFrom(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a stranger is still connected after %v", limit)
			}
		})
	}
	all.Wait()
	t.Logf("all %d strangers were gone after %v", len(s.conns), time.Since(s.since).Round(time.Millisecond))
}
