package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nobody stands for the lock of a folder in memory.
type nobody struct{}

func (nobody) Close() error { return nil }

// life drives one spool on a crashDisk, step by step in one goroutine, and remembers what it was promised.
type life struct {
	rng   *rand.Rand
	disk  *crashDisk
	spool *Spool
	seen  int        // records appended in all lives, to make each payload another
	acked [][]string // for each lane the payloads that were acknowledged or read back, oldest first
	gone  []int      // for each lane how many of those have been pruned
	doubt [][]string // groups refused since the last one that was acknowledged, as "lane payload": one may come back
}

const crashLanes = 3

func newLife(seed uint64) *life {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &life{rng: rng, disk: newCrashDisk(rng), acked: make([][]string, crashLanes), gone: make([]int, crashLanes)}
}

func (l *life) open() error {
	cfg, err := Config{
		Dir: "memory", Lanes: crashLanes, SegmentBytes: int64(200 + l.rng.IntN(600)), Keep: time.Nanosecond,
		Volume: func(string) (int64, int64, error) { return 0, 1 << 40, nil },
	}.withDefaults()
	if err == nil {
		l.spool, err = load(cfg, l.disk, nobody{})
	}
	return err
}

// work appends and commits groups until the disk crashes or the steps are done.
func (l *life) work(steps int) {
	for range steps {
		var group []string
		var tickets []Ticket
		for range 1 + l.rng.IntN(4) {
			lane := l.rng.IntN(crashLanes)
			l.seen++
			payload := strconv.Itoa(l.seen) + strings.Repeat("x", l.rng.IntN(1+l.rng.IntN(200)))
			ticket, err := l.spool.Append(lane, Live, []byte(payload))
			if err != nil {
				panic(err)
			}
			tickets = append(tickets, ticket)
			group = append(group, fmt.Sprint(lane, " ", payload))
		}
		l.spool.commit(l.spool.take())
		if tickets[0].Err() == nil {
			l.keep(group)
		} else {
			l.doubt = append(l.doubt, group)
		}
		if l.rng.IntN(10) == 0 {
			l.prune()
		}
		if l.disk.crashed {
			return
		}
	}
}

// keep counts a group as stored.
func (l *life) keep(group []string) {
	for _, record := range group {
		lane, payload, _ := strings.Cut(record, " ")
		number, _ := strconv.Atoi(lane)
		l.acked[number] = append(l.acked[number], payload)
	}
	l.doubt = nil
}

func (l *life) prune() {
	lowest := Cursor{Segment: l.spool.Start().Segment + uint64(l.rng.IntN(len(l.spool.segments)+1))}
	_ = l.spool.Prune(lowest, time.Now().Add(time.Hour)) // a failing disk may keep what should go
}

// check reads everything back and compares it with what was promised: all that was acknowledged and has not been pruned,
// with its sequence, and then all of one refused group or nothing. Such a group may come back after an error of the disk:
// its caller was told that it is probably not stored.
func (l *life) check() error {
	got := make([][]string, crashLanes)
	r, err := l.spool.Reader(Cursor{})
	if err != nil {
		return err
	}
	for {
		e, found, err := r.Poll()
		if err != nil {
			return err
		} else if !found {
			break
		}
		if len(got[e.Lane]) == 0 {
			if l.gone[e.Lane] = int(e.Seq) - 1; l.gone[e.Lane] > 0 && l.spool.Start().Segment == 1 {
				return fmt.Errorf("lane %d begins with %d", e.Lane, e.Seq)
			}
		}
		if int(e.Seq) != l.gone[e.Lane]+len(got[e.Lane])+1 {
			return fmt.Errorf("lane %d: sequence %d after %d records from %d on", e.Lane, e.Seq, len(got[e.Lane]), l.gone[e.Lane]+1)
		}
		got[e.Lane] = append(got[e.Lane], string(e.Payload))
	}
	if l.holds(got) {
		l.doubt = nil
		return nil
	}
	for _, group := range l.doubt {
		with := &life{acked: slices.Clone(l.acked), gone: l.gone, spool: l.spool}
		with.keep(group)
		if with.holds(got) {
			l.keep(group)
			return nil
		}
	}
	return errors.New(strings.ReplaceAll(fmt.Sprintf("got %v, want %v and perhaps one of %v, without the first %v", got, l.acked, l.doubt, l.gone), "x", ""))
}

// holds reports whether these are exactly the acknowledged records that have not been pruned.
func (l *life) holds(got [][]string) bool {
	next := l.spool.Sequences()
	for lane, acked := range l.acked {
		if int(next[lane]) != len(acked) {
			return false
		}
		if len(got[lane]) > 0 && !slices.Equal(got[lane], acked[l.gone[lane]:]) {
			return false
		}
		if len(got[lane]) == 0 && len(acked) > 0 && l.spool.Start().Segment <= 1 {
			return false
		}
	}
	return true
}

func TestNothingAcknowledgedIsLostInACrash(t *testing.T) {
	t.Parallel()
	crashes := 20_000
	if testing.Short() {
		crashes = 2_000
	}
	if text := os.Getenv("TRIBUTARY_SPOOL_CRASHES"); text != "" {
		crashes, _ = strconv.Atoi(text)
	}
	const lives = 4
	for seed := range uint64(crashes / lives) {
		l := newLife(seed)
		for n := range lives {
			if err := l.open(); err != nil {
				t.Fatalf("seed %d, life %d: opening: %v", seed, n, err)
			}
			if err := l.check(); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, n, err)
			}
			l.disk.fuse = l.rng.IntN(60)
			l.work(20)
			if l.rng.IntN(4) == 0 {
				l.disk = l.disk.afterKill()
			} else {
				l.disk = l.disk.afterCrash()
			}
			// Opening may be interrupted as well.
			l.disk.fuse = l.rng.IntN(6)
			err := l.open()
			if err == nil {
				err = l.check()
			}
			if err != nil && !errors.Is(err, errCrashed) {
				t.Fatalf("seed %d, life %d: after a crash: %v", seed, n, err)
			}
			l.disk = l.disk.afterCrash()
		}
	}
}

func TestErrorsOfTheDiskLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	seeds := uint64(1_500)
	if testing.Short() {
		seeds = 150
	}
	for seed := range seeds {
		l := newLife(seed)
		for n := range 3 {
			if err := l.open(); err != nil {
				t.Fatalf("seed %d, life %d: opening: %v", seed, n, err)
			}
			if err := l.check(); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, n, err)
			}
			odds := 2 + l.rng.IntN(20)
			l.disk.fail = func(kind string) error {
				if l.rng.IntN(odds) == 0 {
					return errors.New("injected: " + kind)
				}
				return nil
			}
			l.work(40)
			l.disk = l.disk.afterCrash()
		}
	}
}

// One call after the other fails, alone: the group goes to another segment and nobody notices.
func TestASingleErrorOfTheDiskIsNotNoticed(t *testing.T) {
	t.Parallel()
	for n := range 200 {
		l := newLife(uint64(n))
		if err := l.open(); err != nil {
			t.Fatal(err)
		}
		calls := 0
		l.disk.fail = func(kind string) error {
			if calls++; calls == n+1 {
				return errors.New("injected: " + kind)
			}
			return nil
		}
		for range 60 {
			l.work(1)
			if l.doubt != nil {
				t.Fatalf("call %d fails: a group was refused", n)
			}
		}
		l.disk = l.disk.afterCrash()
		if err := l.open(); err != nil {
			t.Fatal(err)
		}
		if err := l.check(); err != nil {
			t.Fatalf("call %d fails: %v", n, err)
		}
	}
}

func TestARefusedGroupDoesNotComeBack(t *testing.T) {
	t.Parallel()
	l := newLife(1)
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	l.work(1)
	l.disk.fail = func(kind string) error {
		if kind == "sync" || kind == "create" {
			return errors.New("injected: " + kind)
		}
		return nil
	}
	l.spool.cfg.SegmentBytes = defaultSegmentBytes // so that the group goes behind the first one
	l.work(1)
	if len(l.doubt) != 1 {
		t.Fatalf("%d groups were refused, want 1", len(l.doubt))
	}
	l.doubt = nil // nothing may come back
	l.disk = l.disk.afterKill()
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.check(); err != nil {
		t.Error(err)
	}
}

func TestADiskThatKeepsFailingIsReportedAndRecovers(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"create", "write", "sync", "folder"} {
		l := newLife(1)
		if err := l.open(); err != nil {
			t.Fatal(err)
		}
		l.work(1)
		broken := errors.New("injected")
		l.disk.fail = func(call string) error {
			if call == kind {
				return broken
			}
			return nil
		}
		// The next group needs a new segment.
		l.spool.cfg.SegmentBytes = 1
		ticket, err := l.spool.Append(0, Live, []byte("refused"))
		if err != nil {
			t.Fatal(err)
		}
		l.spool.commit(l.spool.take())
		if err := ticket.Err(); !errors.Is(err, ErrUnavailable) || !errors.Is(err, broken) {
			t.Errorf("%s fails: %v, want %v and its cause", kind, err, ErrUnavailable)
		}
		if l.spool.Stats().Refused.IsZero() {
			t.Errorf("%s fails: the figures do not say so", kind)
		}
		l.disk.fail = nil
		l.work(3)
		if at := l.spool.Stats().Refused; !at.IsZero() {
			t.Errorf("%s works again: refused at %s", kind, at)
		}
		l.disk = l.disk.afterCrash()
		if err := l.open(); err != nil {
			t.Fatal(err)
		}
		if err := l.check(); err != nil {
			t.Errorf("%s failed for a while: %v", kind, err)
		}
	}
}

// A segment that was given up, and whose file could not be removed, holds groups that were refused. The next one begins in
// that file: whatever of it a crash leaves is not taken for damage.
func TestAFileThatCouldNotBeRemovedIsNoDamage(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		l := newLife(seed)
		if err := l.open(); err != nil {
			t.Fatal(err)
		}
		l.disk.fail = func(kind string) error {
			if kind == "remove" || kind == "sync" && l.rng.IntN(2) == 0 {
				return errors.New("injected: " + kind)
			}
			return nil
		}
		for range 6 {
			l.work(1)
			time.Sleep(time.Microsecond) // the header of the next attempt says another time
		}
		l.disk = l.disk.afterCrash()
		err := l.open()
		if err == nil {
			err = l.check()
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
