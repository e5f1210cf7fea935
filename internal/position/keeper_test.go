package position_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"tributary/internal/position"
	"tributary/internal/postgres"
)

// watch runs a keeper and knows which partitions it works on.
type watch struct {
	keeper *position.Keeper
	cancel context.CancelFunc
	done   chan struct{}
	// fail, when set, is what work comes back with at once.
	fail func(h position.Held) error

	mu    sync.Mutex
	held  map[int]int64
	runs  map[int]int
	moved chan struct{}
}

func run(t *testing.T, db *pgxpool.Pool, owner string, partitions int, fail func(h position.Held) error) *watch {
	t.Helper()
	w := &watch{
		keeper: position.NewKeeper(db, "loader", "touches", partitions, owner, slog.New(slog.DiscardHandler)),
		done:   make(chan struct{}), fail: fail, held: map[int]int64{}, runs: map[int]int{}, moved: make(chan struct{}, 1),
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() {
		defer close(w.done)
		if err := w.keeper.Run(ctx, w.work); err != nil {
			t.Errorf("Run gave %v", err)
		}
	}()
	t.Cleanup(w.stop)
	return w
}

func (w *watch) stop() {
	w.cancel()
	<-w.done
}

func (w *watch) work(ctx context.Context, h position.Held) error {
	w.change(func() { w.held[h.Partition] = h.Epoch; w.runs[h.Partition]++ })
	defer w.change(func() { delete(w.held, h.Partition) })
	if w.fail != nil {
		if err := w.fail(h); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (w *watch) change(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	select {
	case w.moved <- struct{}{}:
	default:
	}
}

func (w *watch) partitions() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var p []int
	for partition := range w.held {
		p = append(p, partition)
	}
	slices.Sort(p)
	return p
}

func (w *watch) runsOf(partition int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs[partition]
}

// until waits for a condition over what keepers hold.
func until(t *testing.T, limit time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Since(start) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		<-tick.C
	}
	return time.Since(start)
}

func TestAKeeperLeavesNothingBehind(t *testing.T) {
	db, _ := open(t, postgres.Loader)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	w := run(t, db, "a", 4, nil)
	until(t, 5*time.Second, "all four are held", func() bool { return len(w.partitions()) == 4 })
	w.stop()
	db.Close()
	goleak.VerifyNone(t, before)
}

func TestPartitionsAreSharedFairlyAndEachIsHeldOnce(t *testing.T) {
	t.Parallel()
	db, _ := open(t, postgres.Loader)
	a := run(t, db, "a", 6, nil)
	until(t, 5*time.Second, "the only owner has all", func() bool { return len(a.partitions()) == 6 })
	b := run(t, db, "b", 6, nil)
	until(t, 5*time.Second, "two owners have three each", func() bool { return len(a.partitions()) == 3 && len(b.partitions()) == 3 })
	c := run(t, db, "c", 6, nil)
	d := run(t, db, "d", 6, nil)
	until(t, 5*time.Second, "four owners have 2, 2, 1, 1", func() bool {
		return len(a.partitions()) == 2 && len(b.partitions()) == 2 && len(c.partitions()) == 1 && len(d.partitions()) == 1
	})
	all := slices.Concat(a.partitions(), b.partitions(), c.partitions(), d.partitions())
	slices.Sort(all)
	if !slices.Equal(all, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("the owners hold %v", all)
	}
	b.stop()
	c.stop()
	d.stop()
	took := until(t, 5*time.Second, "the last owner has all again", func() bool { return len(a.partitions()) == 6 })
	t.Logf("partitions of three owners that left were taken over in %v", took)
}

func TestAGapHaltsItsPartitionAloneUntilItIsResumed(t *testing.T) {
	t.Parallel()
	db, url := open(t, postgres.Loader)
	operator := openURL(t, url, postgres.Operator)
	var once sync.Once
	w := run(t, db, "a", 3, func(h position.Held) (err error) {
		if h.Partition == 1 {
			once.Do(func() {
				err = fmt.Errorf("reading: %w", &position.GapError{Partition: 1, Spool: [16]byte{1}, Want: 3, Got: 9})
			})
		}
		return err
	})
	until(t, 5*time.Second, "the halt is known", func() bool { return w.keeper.Stats().Halted == 1 })
	if got := w.partitions(); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("work goes on in %v, want 0 and 2", got)
	}
	if s := w.keeper.Stats(); s.Gaps != 1 || s.Held != 3 {
		t.Errorf("stats are %+v", s)
	}
	var reason string
	if err := operator.QueryRow(t.Context(), "SELECT halted FROM position WHERE partition = 1").Scan(&reason); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(reason, "sequence 9") || !strings.Contains(reason, "6 records are missing") {
		t.Errorf("the reason is %q", reason)
	}
	if err := position.Resume(t.Context(), operator, "loader", "touches", 1, position.AcceptLoss, 0); err != nil {
		t.Fatal(err)
	}
	until(t, 5*time.Second, "work goes on in all", func() bool { return len(w.partitions()) == 3 })
}

func TestAPartitionWhoseWorkFailsIsReleasedAndTriedAgain(t *testing.T) {
	t.Parallel()
	db, _ := open(t, postgres.Loader)
	w := run(t, db, "a", 2, func(h position.Held) error {
		if h.Partition == 0 && h.Epoch < 3 {
			return errors.New("cannot")
		}
		return nil
	})
	until(t, 15*time.Second, "the third try lasts", func() bool { return w.runsOf(0) == 3 && len(w.partitions()) == 2 })
	if got := w.runsOf(1); got != 1 {
		t.Errorf("the healthy partition was started %d times", got)
	}
	if s := w.keeper.Stats(); s.Failures != 2 {
		t.Errorf("stats are %+v", s)
	}
}

func TestAnotherTakesOverWithinTenSecondsOfAKill(t *testing.T) {
	t.Parallel()
	db, url := open(t, postgres.Loader)
	cmd, lines := startChild(t, url)
	await(t, lines, "committed")
	w := run(t, db, "heir", 2, nil)
	until(t, 5*time.Second, "the two share", func() bool { return len(w.partitions()) == 1 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	took := until(t, 10*time.Second, "the heir has both", func() bool { return len(w.partitions()) == 2 })
	t.Logf("taken over in %v", took)
}

func TestAFrozenOwnerCannotWriteWhenItWakes(t *testing.T) {
	t.Parallel()
	db, url := open(t, postgres.Loader)
	cmd, lines := startChild(t, url)
	await(t, lines, "locked") // it now sits in its transactions, with the rows locked
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w := run(t, db, "heir", 2, nil)
	took := until(t, 15*time.Second, "the heir has both", func() bool { return len(w.partitions()) == 2 })
	t.Logf("taken over in %v", took)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if line := await(t, lines, "committed"); strings.HasSuffix(line, "<nil>") {
			t.Errorf("the woken owner says %q", line)
		}
	}
	var moved int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM position WHERE next_offset <> 0").Scan(&moved); err != nil {
		t.Fatal(err)
	}
	if moved != 0 {
		t.Errorf("%d positions were moved by an owner that had lost them", moved)
	}
}

func TestWorkEndsWhenItsLeaseCannotBeRenewedAndGoesOnAfterwards(t *testing.T) {
	t.Parallel()
	db, address := open(t, postgres.Loader)
	name := db.Config().ConnConfig.Database
	elsewhere, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.Path = "/postgres"
	server, err := pgxpool.New(t.Context(), elsewhere.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w := run(t, db, "a", 2, nil)
	until(t, 5*time.Second, "both are held", func() bool { return len(w.partitions()) == 2 })
	for _, statement := range []string{
		"ALTER DATABASE " + name + " ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'",
	} {
		if _, err := server.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	took := until(t, 12*time.Second, "work has ended", func() bool { return len(w.partitions()) == 0 })
	if took < 5*time.Second {
		t.Errorf("work ended after %v, with its lease running", took)
	}
	if _, err := server.Exec(t.Context(), "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true"); err != nil {
		t.Fatal(err)
	}
	until(t, 12*time.Second, "work goes on", func() bool { return len(w.partitions()) == 2 })
}

// startChild runs this test binary as another consumer of the same database and gives the lines it prints.
func startChild(t *testing.T, url string) (*exec.Cmd, <-chan string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines { // until the pipe is closed
		}
		_ = cmd.Wait()
	})
	return cmd, lines
}

func await(t *testing.T, lines <-chan string, start string) string {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the child ended before it said %q", start)
			}
			if strings.HasPrefix(line, start) {
				return line
			}
		case <-limit:
			t.Fatalf("the child never said %q", start)
		}
	}
}
