package fire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// crowdName is what the crowd's clicks carry in the place of an attempt's number.
const crowdName = "crowd"

// shopperRate is how many requests a second the shoppers make, who wait for two fsyncs of the journal at each; what a
// run wants beyond that is the crowd's.
const shopperRate = 300

// crowdPause is how long each of the crowd waits on average before it follows the next link. A tracker that takes a tenth of
// that for an answer is asked for a tenth less.
const crowdPause = 500 * time.Millisecond

// crowd is visitors in a number that shoppers cannot be. They are wrk's, and note what they were given, but not ahead of
// it what they ask for: of a click that got no answer it is only known that there was one.
type crowd struct {
	dir, url string
	places   []Place
	spawn    *spawner
	outcomes string // the file, a line an answer
	read     int64  // of it, in bytes

	wrk *gathering // nil when nobody is there
	// unanswered bounds the requests that got no answer: those that wrk calls errors, and one a connection that was cut off.
	unanswered int
}

// gathering is a wrk that runs.
type gathering struct {
	*exec.Cmd

	connections int
	said        bytes.Buffer
	ended       chan error
}

// crowdCounts are answers to the crowd.
type crowdCounts struct {
	Stored, Unstored int
	Other            map[string]int // by status
	Hasty            int            // refused without a Retry-After
}

// crowdScript is what wrk does: it follows the links in turns, and notes the click id of each click that is stored.
//
//nolint:dupword // Lua ends twice
const crowdScript = `local codes = {%s}
local out = io.open(%q, "a")
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/c/" .. codes[n %% #codes + 1] .. "?sub1=%s")
end
delay = function() return math.random(0, %d) end
response = function(status, headers)
  if status ~= 302 then
    out:write(status, headers["Retry-After"] and " later\n" or "\n")
  elseif headers["Tributary-Unstored"] then
    out:write("unstored\n")
  else
    out:write(string.match(headers["Location"], "tclid=([^&]+)"), "\n")
  end
end
`

// newCrowd makes a crowd that nobody belongs to yet.
func newCrowd(dir, url string, places []Place, spawn *spawner) *crowd {
	return &crowd{dir: dir, url: url, places: places, spawn: spawn, outcomes: filepath.Join(dir, crowdName)}
}

// resize lets the crowd make so many requests a second from now on. Those under way are cut off.
func (c *crowd) resize(perSecond int) error {
	if err := c.leave(); err != nil || perSecond <= 0 {
		return err
	}
	codes := make([]string, len(c.places))
	for i, p := range c.places {
		codes[i] = strconv.Quote(p.Code)
	}
	script := filepath.Join(c.dir, crowdName+".lua")
	text := fmt.Sprintf(crowdScript, strings.Join(codes, ", "), c.outcomes, crowdName, 2*crowdPause.Milliseconds())
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing what the crowd does: %w", err)
	}
	w := &gathering{connections: max(1, perSecond*int(crowdPause.Milliseconds())/1000), ended: make(chan error, 1)}
	w.Cmd = exec.Command("wrk", "-t1", "-c"+strconv.Itoa(w.connections), "-d24h", "--timeout", answerLimit.String(), "-s", script, //nolint:gosec,noctx // leave ends it
		"-H", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", c.url)
	w.Stdout, w.Stderr = &w.said, &w.said
	w.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what interrupts the harness is not to be its end
	if err := c.spawn.start(w.Cmd); err != nil {
		return fmt.Errorf("calling a crowd together (Debian's package wrk has it): %w", err)
	}
	go func() { w.ended <- w.Wait() }()
	c.wrk = w
	return nil
}

// socketErrors is what wrk says of requests that got no answer.
var socketErrors = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)

// leave sends the crowd away.
func (c *crowd) leave() error {
	w := c.wrk
	if w == nil {
		return nil
	}
	c.wrk = nil
	if err := w.end(); err != nil {
		return err
	}
	c.unanswered += w.connections
	if m := socketErrors.FindSubmatch(w.said.Bytes()); m != nil {
		for _, n := range m[1:] {
			failed, _ := strconv.Atoi(string(n))
			c.unanswered += failed
		}
	}
	return nil
}

// end asks wrk to end, at which it writes out what it has noted. While it starts it may not hear that at once, or end of it
// without having asked for anything.
func (w *gathering) end() error {
	for range 50 {
		_ = w.Process.Signal(syscall.SIGINT)
		select {
		case err := <-w.ended:
			if status, ok := w.ProcessState.Sys().(syscall.WaitStatus); err == nil || ok && status.Signal() == syscall.SIGINT {
				return nil
			}
			return fmt.Errorf("sending the crowd away: %w\n%s", err, w.said.Bytes())
		case <-time.After(200 * time.Millisecond):
		}
	}
	_ = w.Process.Kill()
	return fmt.Errorf("sending the crowd away: wrk does not end\n%s", w.said.Bytes())
}

// cut gives the answers since the last cut, as far as wrk has written them out.
func (c *crowd) cut() (crowdCounts, error) {
	counts := crowdCounts{Other: map[string]int{}}
	err := c.each(c.read, func(line string) {
		switch status, later, _ := strings.Cut(line, " "); {
		case line == "unstored":
			counts.Unstored++
		case isClickID(line):
			counts.Stored++
		default:
			counts.Other[status]++
			if (status == "503" || status == "429") && later == "" {
				counts.Hasty++
			}
		}
		c.read += int64(len(line)) + 1
	})
	return counts, err
}

// stored calls with the id of each click that was acknowledged.
func (c *crowd) stored(with func(id string)) error {
	return c.each(0, func(line string) {
		if isClickID(line) {
			with(line)
		}
	})
}

// isClickID tells the line of a click that was stored from "unstored" and from a status, whose length is three.
func isClickID(line string) bool {
	status, _, _ := strings.Cut(line, " ")
	return line != "unstored" && len(status) > 3
}

// each reads whole lines from a place in the file on.
func (c *crowd) each(from int64, with func(line string)) error {
	file, err := os.Open(c.outcomes)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what the crowd was answered: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return fmt.Errorf("reading what the crowd was answered: %w", err)
	}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading what the crowd was answered: %w", err)
		}
		with(strings.TrimSuffix(line, "\n"))
	}
}

// cut ends a phase of the load and begins the next.
func (r *Run) cut() Phase {
	p := r.Driver.Meter.Cut()
	var err error
	if p.Crowd, err = r.crowd.cut(); err != nil {
		r.Driver.fail(err)
	}
	return p
}

// SetRate lets shoppers and crowd together make so many requests a second from now on.
func (r *Run) SetRate(perSecond int) error {
	r.Driver.SetRate(min(perSecond, shopperRate))
	return r.crowd.resize(perSecond - shopperRate)
}

// judgeCrowd wants each click that the crowd was told is stored to be in ClickHouse once, nobody to be turned away but with a
// word on when to come again, and no other click than may be of a visit that was answered without being stored, or not
// answered at all.
func (r *Run) judgeCrowd(rows map[string]int) ([]Finding, error) {
	j := &judgement{found: map[string]int{}}
	stored := 0
	err := r.crowd.stored(func(id string) {
		stored++
		if rows[id] == 0 {
			j.findf(ClickMissing, "%s of the crowd", id)
		}
	})
	if err != nil {
		return nil, err
	}
	for id, n := range rows {
		if n > 1 {
			j.findf(ClickDoubled, "%s of the crowd has %d rows", id, n)
		}
		if _, err := r.World.ring.Verify(id); err != nil {
			j.findf(ClickInvented, "%s of the crowd: %v", id, err)
		}
	}
	r.crowd.read = 0
	all, err := r.crowd.cut()
	if possible := stored + all.Unstored + r.crowd.unanswered; len(rows) > possible {
		j.findf(ClickInvented, "%d clicks of the crowd, of whom at most %d were not turned away", len(rows), possible)
	}
	for status, n := range all.Other {
		if status != "503" && status != "429" {
			j.findf(RefusedWrongly, "%d visits of the crowd were answered with %s", n, status)
		}
	}
	if all.Hasty > 0 {
		j.findf(RefusedWrongly, "%d visits of the crowd were refused without a Retry-After", all.Hasty)
	}
	return j.findings, err
}
