package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const childFolder = "TRIBUTARY_TEST_SPOOL_CHILD"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		fmt.Fprintln(os.Stderr, appendForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForEver stores records from several goroutines and prints each one when it is durable.
func appendForEver(dir string) error {
	s, err := Open(Config{Dir: dir, Lanes: 4, SegmentBytes: 50_000})
	if err != nil {
		return err
	}
	fmt.Println("open", os.Getpid())
	first := s.Sequences()
	for lane := range 4 {
		go func() {
			for n := first[lane] + 1; ; n++ {
				text := fmt.Sprintf("%d/%d", lane, n)
				ticket, err := s.Append(lane, Live, []byte(text))
				if err == nil {
					err = ticket.Wait(context.Background())
				}
				if errors.Is(err, ErrUnavailable) {
					n-- // its sequence is free again
					continue
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				_, _ = os.Stdout.WriteString(text + "\n") // in one piece, also when killed
			}
		}()
	}
	return s.Run(context.Background())
}

// child starts a process that appends to the folder, under another command if one is given, and waits until it has the
// folder open. It returns the process that appends and what follows on its standard output.
func child(t *testing.T, dir string, under ...string) (process *os.Process, out *bufio.Reader, wait func() string) {
	t.Helper()
	line := slices.Concat(under, []string{os.Args[0]})
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	var errs strings.Builder
	cmd.Stderr = &errs
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	out = bufio.NewReader(pipe)
	wait = func() string {
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		return errs.String()
	}
	var number int
	if _, err := fmt.Fscanf(out, "open %d\n", &number); err != nil {
		t.Fatalf("%q did not start: %v, %s", line, err, wait())
	}
	process, err = os.FindProcess(number)
	if err != nil {
		t.Fatal(err)
	}
	return process, out, wait
}

func TestAKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	t.Parallel()
	killRounds(t, 8, 150*time.Millisecond)
}

// The kernel itself refuses calls here, in the places that strace chooses.
func TestAKernelThatRefusesCallsLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "strace", "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("needs strace: %v", err)
	}
	for _, inject := range []string{
		"fdatasync:error=EIO:when=20+30",
		"fdatasync:error=EIO:when=20+2",
		"pwrite64:error=ENOSPC:when=20+30",
		"ftruncate,fdatasync:error=EIO:when=20+5",
		"fsync,pwrite64:error=EIO:when=20+9",
	} {
		t.Run(inject, func(t *testing.T) {
			t.Parallel()
			killRounds(t, 2, time.Second, "strace", "-f", "-qq", "-o", os.DevNull, "-e", "inject="+inject)
		})
	}
}

// killRounds starts a process on one folder several times, kills it after a while, and looks for what it acknowledged.
func killRounds(t *testing.T, rounds int, while time.Duration, under ...string) {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 3))
	total := 0
	for round := range rounds {
		acknowledged := map[string]bool{}
		process, out, wait := child(t, dir, under...)
		kill := time.AfterFunc(while/4+time.Duration(rng.Int64N(int64(while))), func() { _ = process.Kill() })
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				break // the pipe ends with the process
			}
			acknowledged[strings.TrimSpace(line)] = true
		}
		errs := wait()
		if kill.Stop() {
			t.Fatalf("round %d: the process ended by itself: %s", round, errs)
		}
		total += len(acknowledged)
		s := openSpool(t, Config{Dir: dir})
		for _, record := range records(t, s, Cursor{}) {
			name, payload, _ := strings.Cut(record, " ")
			if name != payload {
				t.Fatalf("round %d: record %s says %s", round, name, payload)
			}
			delete(acknowledged, name)
		}
		if len(acknowledged) > 0 {
			t.Fatalf("round %d: %d records were acknowledged and are gone: %v", round, len(acknowledged), acknowledged)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if total == 0 {
		t.Error("nothing was acknowledged at all")
	}
	t.Logf("%d records acknowledged", total)
}

func TestTwoProcessesCannotShareAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	process, _, wait := child(t, dir)
	owner := fmt.Sprintf("by process %d", process.Pid)
	if _, err := Open(Config{Dir: dir, Lanes: 4}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), owner) {
		t.Errorf("opening: %v, want %v %s", err, ErrLocked, owner)
	}
	if err := Idle(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("asking whether it is idle: %v, want %v", err, ErrLocked)
	}
	if _, err := Salvage(dir, io.Discard); !errors.Is(err, ErrLocked) {
		t.Errorf("salvaging: %v, want %v", err, ErrLocked)
	}
	_ = process.Kill()
	wait()
	if _, _, err := reopened(t, dir); err != nil {
		t.Errorf("after its end: %v", err)
	}
}
