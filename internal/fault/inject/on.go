//go:build failpoints && unix

package inject

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Enabled tells whether this build acts on failpoints.
const Enabled = true

// armed is the point that this process acts on.
type armed struct {
	point  Point
	nth    int64
	signal syscall.Signal
	passed atomic.Int64
}

// reading is set on first use, since the variable cannot change while the process runs.
var reading = sync.OnceValue(func() *armed {
	text := os.Getenv(Variable)
	if text == "" {
		return &armed{}
	}
	a, err := parse(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reading", Variable+":", err)
		os.Exit(2)
	}
	return a
})

// parse reads the value of Variable.
func parse(text string) (*armed, error) {
	text, freeze := strings.CutSuffix(text, ":stop")
	name, count, found := strings.Cut(text, "@")
	nth, err := strconv.ParseInt(count, 10, 64)
	switch {
	case !found || err != nil || nth < 1:
		return nil, fmt.Errorf("%q: want NAME@N or NAME@N:stop, N from 1", text)
	case !slices.Contains(Points(), Point(name)):
		return nil, fmt.Errorf("%q: there is no such point", name)
	}
	a := &armed{point: Point(name), nth: nth, signal: syscall.SIGKILL}
	if freeze {
		a.signal = syscall.SIGSTOP
	}
	return a, nil
}

// Reach ends or freezes this process if it is told to do so here, this time. It says so on standard error first.
func Reach(p Point) {
	a := reading()
	if a.point != p || a.passed.Add(1) != a.nth {
		return
	}
	fmt.Fprintf(os.Stderr, "failpoint %s reached %d times: %v\n", p, a.nth, a.signal)
	if err := syscall.Kill(os.Getpid(), a.signal); err != nil {
		panic(err)
	}
	if a.signal == syscall.SIGKILL {
		select {} // the signal is on its way; nothing behind the point may happen
	}
}
