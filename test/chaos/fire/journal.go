package fire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"tributary/test/chaos/model"
)

// Intent is what is about to be asked, written down before it is: all that is needed to know its effect.
type Intent struct {
	// N numbers the attempt; a click carries it as its first sub-id.
	N  int64     `json:"n"`
	At time.Time `json:"at"`
	// Link is the link of a click, by its id.
	Link int64 `json:"link,omitempty"`
	// Sale and Refund are the report, with the time that it states; a time that it leaves to the tracker is At.
	Sale   *model.Sale   `json:"sale,omitempty"`
	Refund *model.Refund `json:"refund,omitempty"`
	// Path is what the cookie of a click's visitor held: the ids of earlier clicks, oldest first.
	Path []string `json:"path,omitempty"`
	// Act is what somebody does on a page, and Past the clicks of days that are over.
	Act  *Act  `json:"act,omitempty"`
	Past *Past `json:"past,omitempty"`
	// Content tells reports of one order apart: equal bodies have equal ones.
	Content string `json:"content,omitempty"`
	// Wrong says why the request must be refused; empty where it must not.
	Wrong string `json:"wrong,omitempty"`
}

// Outcome is what became of an attempt. An attempt without one was cut off.
type Outcome struct {
	N int64 `json:"outcome"`
	// Status is the HTTP status, 0 where none arrived.
	Status int `json:"status"`
	// ID is the click id or the event id of what was accepted.
	ID string `json:"id,omitempty"`
	// No is the row that an act has made.
	No int64 `json:"no,omitempty"`
	// Path is what the visitor of a click was given to keep.
	Path []string `json:"path,omitempty"`
	// Received is when the network says that it received a report.
	Received time.Time `json:"received,omitzero"`
	// Unstored is set when the answer to a click said that it was not known to be stored.
	Unstored bool `json:"unstored,omitempty"`
}

// Attempt is an intent and what became of it.
type Attempt struct {
	Intent

	Outcome Outcome
}

// Acknowledged tells whether the network has promised to keep what was sent.
func (a *Attempt) Acknowledged() bool {
	if a.Link != 0 {
		return a.Outcome.Status == 302 && !a.Outcome.Unstored
	}
	return a.Outcome.Status == 200
}

// MayBeReceived tells whether the network may have received the report at a time: the one that its answer stated or, where
// there was no answer, any since it was sent, as a process that is frozen may read it much later.
func (a *Attempt) MayBeReceived(at time.Time) bool {
	if a.Acknowledged() && !a.Outcome.Received.IsZero() {
		return a.Outcome.Received.Equal(at)
	}
	return !at.Before(a.At.Add(-time.Millisecond))
}

// Refused tells whether the network has said that it will not keep it. What was neither acknowledged nor refused may
// have happened or not.
func (a *Attempt) Refused() bool { return a.Outcome.Status >= 400 && a.Outcome.Status < 500 }

// Journal is the harness's own record, fsynced in groups. It is a file of lines, each a checksum and a JSON object.
type Journal struct {
	file *os.File

	mu      sync.Mutex
	pending bytes.Buffer
	group   *group
	closed  bool
	wake    chan struct{}
	ended   chan struct{}
}

// group is the lines that one fsync makes durable.
type group struct {
	done chan struct{}
	err  error
}

// NewJournal creates a journal. The file must not exist.
func NewJournal(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the journal: %w", err)
	}
	j := &Journal{file: file, group: &group{done: make(chan struct{})}, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go j.sync()
	return j, nil
}

// Write appends an Intent or an Outcome and returns once it is durable.
func (j *Journal) Write(entry any) error {
	text, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return errors.New("writing the journal: it is closed")
	}
	fmt.Fprintf(&j.pending, "%08x %s\n", crc32.ChecksumIEEE(text), text)
	g := j.group
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	<-g.done
	return g.err
}

// sync writes group after group until the journal is closed.
func (j *Journal) sync() {
	defer close(j.ended)
	for range j.wake {
		j.flush()
	}
	j.flush()
}

func (j *Journal) flush() {
	j.mu.Lock()
	lines := bytes.Clone(j.pending.Bytes())
	g := j.group
	j.pending.Reset()
	j.group = &group{done: make(chan struct{})}
	j.mu.Unlock()
	_, err := j.file.Write(lines)
	g.err = errors.Join(err, j.file.Sync())
	close(g.done)
}

// Close writes what is left. Nothing may be written while it runs.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	close(j.wake)
	<-j.ended
	return j.file.Close()
}

// ReadJournal reads the attempts of a journal in the order in which they were begun. A last line that is torn was never
// acted upon and is left out; damage before it is an error.
func ReadJournal(r io.Reader) ([]*Attempt, error) {
	var attempts []*Attempt
	byNumber := map[int64]*Attempt{}
	lines := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return attempts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the journal: %w", err)
		}
		text, sound := checked(line)
		if !sound {
			if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
				return attempts, nil
			}
			return nil, fmt.Errorf("reading the journal: line %d is damaged", n)
		}
		var intent Intent
		if err := json.Unmarshal(text, &intent); err != nil {
			return nil, fmt.Errorf("reading line %d of the journal: %w", n, err)
		}
		if intent.N != 0 {
			a := &Attempt{Intent: intent}
			attempts = append(attempts, a)
			byNumber[a.N] = a
			continue
		}
		var o Outcome
		if err := json.Unmarshal(text, &o); err != nil {
			return nil, fmt.Errorf("reading line %d of the journal: %w", n, err)
		}
		a, begun := byNumber[o.N]
		if !begun {
			return nil, fmt.Errorf("reading the journal: line %d is the outcome of attempt %d, which was never begun", n, o.N)
		}
		a.Outcome = o
	}
}

// checked splits a line into its checksum and its text and compares them.
func checked(line []byte) (text []byte, sound bool) {
	sum, text, found := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	return text, found && err == nil && uint64(crc32.ChecksumIEEE(text)) == want
}
