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
	fmt.Println("open")
	first := s.Sequences()
	for lane := range 4 {
		go func() {
			for n := first[lane] + 1; ; n++ {
				text := fmt.Sprintf("%d/%d", lane, n)
				ticket, err := s.Append(lane, Live, []byte(text))
				if err == nil {
					err = ticket.Wait(context.Background())
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

// child starts a process that appends to the folder, and returns what it prints.
func child(t *testing.T, dir string) (cmd *exec.Cmd, out *bufio.Reader, errs *strings.Builder) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	errs = &strings.Builder{}
	cmd.Stderr = errs
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(pipe), errs
}

func TestAKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 3))
	acknowledged := map[string]bool{}
	for round := range 8 {
		cmd, out, errs := child(t, dir)
		if line, err := out.ReadString('\n'); line != "open\n" {
			t.Fatalf("round %d: %q, %v, %s", round, line, err, errs)
		}
		kill := time.AfterFunc(time.Duration(rng.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				break // the pipe ends with the process
			}
			acknowledged[strings.TrimSpace(line)] = true
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		if kill.Stop() {
			t.Fatalf("round %d: the process ended by itself: %s", round, errs)
		}
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
}

func TestTwoProcessesCannotShareAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, out, errs := child(t, dir)
	if line, err := out.ReadString('\n'); line != "open\n" {
		t.Fatalf("%q, %v, %s", line, err, errs)
	}
	owner := fmt.Sprintf("by process %d", cmd.Process.Pid)
	if _, err := Open(Config{Dir: dir, Lanes: 4}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), owner) {
		t.Errorf("opening: %v, want %v %s", err, ErrLocked, owner)
	}
	if _, err := Salvage(dir, io.Discard); !errors.Is(err, ErrLocked) {
		t.Errorf("salvaging: %v, want %v", err, ErrLocked)
	}
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if _, _, err := reopened(t, dir); err != nil {
		t.Errorf("after its end: %v", err)
	}
}
