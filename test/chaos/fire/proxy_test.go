package fire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"tributary/internal/embedded"
	"tributary/test/chaos/fire"
)

// server answers every request of so many bytes with as many, and tells what it was asked.
func server(t *testing.T, size int) (address string, asked <-chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests := make(chan []byte, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for {
					request := make([]byte, size)
					if _, err := io.ReadFull(c, request); err != nil {
						return
					}
					requests <- request
					if _, err := c.Write(request); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), requests
}

func dialProxy(t *testing.T, p *fire.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a request and tells whether its answer arrives.
func ask(c net.Conn, request []byte) bool {
	if _, err := c.Write(request); err != nil {
		return false
	}
	answer := make([]byte, len(request))
	_, err := io.ReadFull(c, answer)
	return err == nil && bytes.Equal(answer, request)
}

func TestTheAnswerToWhatMattersIsSwallowed(t *testing.T) {
	t.Parallel()
	kafka := func(api uint16) []byte {
		request := binary.BigEndian.AppendUint32(nil, 16)
		request = binary.BigEndian.AppendUint16(request, api)
		return append(request, make([]byte, 14)...)
	}
	for _, c := range []struct {
		engine   embedded.Engine
		harmless []byte
		before   []byte // what has to come first
		critical []byte
	}{
		{embedded.Postgres, []byte("Q\x00\x00\x00\x0dselect 1\x00 "), nil, []byte("Q\x00\x00\x00\x0bcommit\x00   ")},
		{embedded.ClickHouse, []byte("SELECT 1      "), []byte("INSERT INTO t "), []byte("rows to insert")},
		{embedded.Kafka, kafka(1), nil, kafka(0)},
	} {
		t.Run(string(c.engine), func(t *testing.T) {
			t.Parallel()
			p, err := fire.NewProxy(t.Context(), c.engine, "127.0.0.1:0", 1)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			address, asked := server(t, len(c.critical))
			p.Point(address)
			conn := dialProxy(t, p)
			for _, request := range [][]byte{c.harmless, c.before, c.critical} {
				if request != nil && !ask(conn, request) {
					t.Fatalf("%q: no answer, and nothing is to be swallowed yet", request)
				}
			}
			p.Swallow(1)
			for _, request := range [][]byte{c.harmless, c.before} {
				if request != nil && !ask(conn, request) {
					t.Fatalf("%q: no answer, and it does not matter", request)
				}
			}
			if ask(conn, c.critical) {
				t.Error("the answer arrived")
			}
			var last []byte
			for len(asked) > 0 {
				last = <-asked
			}
			if !bytes.Equal(last, c.critical) {
				t.Errorf("the server was asked %q last", last)
			}
			if p.Swallowed() != 1 {
				t.Errorf("%d swallowed", p.Swallowed())
			}
		})
	}
}

func TestARefusingProxyCutsAndLetsNobodyIn(t *testing.T) {
	t.Parallel()
	p, err := fire.NewProxy(t.Context(), embedded.Kafka, "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	address, _ := server(t, 4)
	p.Point(address)
	old := dialProxy(t, p)
	if !ask(old, []byte("ping")) {
		t.Fatal("no answer")
	}
	p.Refuse(true)
	if _, err := old.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("a connection of before: %v", err)
	}
	if ask(dialProxy(t, p), []byte("ping")) {
		t.Error("a new connection was let through")
	}
	p.Refuse(false)
	if !ask(dialProxy(t, p), []byte("ping")) {
		t.Error("nobody is let through again")
	}
}
