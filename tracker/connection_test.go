package tracker

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// pair is a connection as the tracker has it, and the visitor's end of it.
func pair(t *testing.T) (ours *connection, theirs net.Conn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	theirs, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	must(t, err)
	accepted, err := frugal{l, 100 * time.Millisecond}.Accept()
	must(t, err)
	t.Cleanup(func() {
		_ = accepted.Close()
		_ = theirs.Close()
	})
	return accepted.(*connection), theirs
}

func TestAReadEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	buf := make([]byte, 10)
	for name, ask := range map[string]func(c *connection) error{
		"set before the read":           func(c *connection) error { return c.SetReadDeadline(time.Now().Add(time.Millisecond)) },
		"set in the past":               func(c *connection) error { return c.SetReadDeadline(time.Unix(1, 0)) },
		"together with that for writes": func(c *connection) error { return c.SetDeadline(time.Now().Add(time.Millisecond)) },
		"brought forward": func(c *connection) error {
			return errors.Join(c.SetReadDeadline(time.Now().Add(time.Hour)), c.SetReadDeadline(time.Now().Add(time.Millisecond)))
		},
		"brought forward while it waits": func(c *connection) error {
			go func() {
				for reading := false; !reading; {
					c.mu.Lock()
					reading = c.reading
					c.mu.Unlock()
				}
				_ = c.SetReadDeadline(time.Unix(1, 0))
			}()
			return nil
		},
	} {
		ours, _ := pair(t)
		must(t, ask(ours))
		if n, err := ours.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

func TestADeadlineThatWasTakenBackEndsNothing(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	buf := make([]byte, 10)
	must(t, ours.SetReadDeadline(time.Unix(1, 0)))
	if _, err := ours.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with a deadline in the past: %v", err)
	}
	for _, deadline := range []time.Time{{}, time.Now().Add(time.Hour), {}} {
		must(t, ours.SetReadDeadline(deadline))
		_, err := theirs.Write([]byte("here"))
		must(t, err)
		if n, err := ours.Read(buf); n != 4 || err != nil {
			t.Errorf("deadline %v: %d bytes, %v", deadline, n, err)
		}
	}
}

func TestAByteIsReadAtTheSecondAsking(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	_, err := theirs.Write([]byte("ab"))
	must(t, err)
	var got []byte
	r := bufio.NewReaderSize(&oneByte{ours}, 16)
	for range 2 {
		b, err := r.ReadByte()
		must(t, err)
		got = append(got, b)
	}
	if string(got) != "ab" {
		t.Errorf("read %q", got)
	}
}

// oneByte reads byte by byte, as a buffer does that is full but for one.
type oneByte struct{ io.Reader }

func (r *oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:1]) }

func TestWhoDoesNotReadIsLeft(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	late := time.AfterFunc(20*time.Second, func() { _ = ours.Close() })
	defer late.Stop()
	var err error
	for answer := make([]byte, 64<<10); err == nil; {
		_, err = ours.Write(answer)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write to somebody who does not read ended with %v", err)
	}
	_, err = io.CopyN(io.Discard, theirs, 128<<10)
	must(t, err)
	if _, err := ours.Write([]byte("more")); err != nil {
		t.Errorf("once there was room again: %v", err)
	}
}

// TestRequestsInOneWriteAreAllAnswered: net/http reads the beginning of the next request while it answers this one.
func TestRequestsInOneWriteAreAllAnswered(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	get := "GET /c/" + e.mine.link.Code + " HTTP/1.1\r\nHost: x\r\nUser-Agent: " + firefox + "\r\nX-Long: "
	// The sizes go over the end of net/http's buffer of 4096 bytes by one, and by none.
	var requests strings.Builder
	for _, size := range []int{1, 4095, 4096, 4097, 300} {
		requests.WriteString(get + strings.Repeat("x", max(1, size-len(get)-4)) + "\r\n\r\n")
	}
	_, err = conn.Write([]byte(requests.String()))
	must(t, err)
	r := bufio.NewReader(conn)
	for n := range 5 {
		answer, err := http.ReadResponse(r, nil)
		must(t, err)
		must(t, answer.Body.Close())
		if answer.StatusCode != http.StatusFound {
			t.Errorf("request %d: %s", n, answer.Status)
		}
	}
}
