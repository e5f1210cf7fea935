//go:build failpoints && unix

package inject_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"tributary/internal/fault/inject"
)

func TestMain(m *testing.M) {
	if os.Getenv(inject.Variable) == "" {
		os.Exit(m.Run())
	}
	for range 3 {
		inject.Reach(inject.EngineAfterCommit)
		os.Stdout.WriteString("passed ")
	}
}

func TestAProcessEndsAtItsPoint(t *testing.T) {
	t.Parallel()
	for armed, want := range map[string]struct {
		passed string
		signal syscall.Signal
	}{
		"engine/after-commit@1":  {"", syscall.SIGKILL},
		"engine/after-commit@3":  {"passed passed ", syscall.SIGKILL},
		"engine/after-commit@4":  {"passed passed passed ", 0},
		"engine/before-commit@1": {"passed passed passed ", 0},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), inject.Variable+"="+armed)
		out, err := cmd.Output()
		var exit *exec.ExitError
		var signal syscall.Signal
		if errors.As(err, &exit) {
			signal = exit.Sys().(syscall.WaitStatus).Signal()
		}
		if string(out) != want.passed || signal != want.signal {
			t.Errorf("%s: passed %q and ended by %v, want %q and %v", armed, out, signal, want.passed, want.signal)
		}
	}
}

func TestAMisspeltPointIsRefused(t *testing.T) {
	t.Parallel()
	for _, armed := range []string{"engine/after-commit", "engine/after-commit@0", "engine/after-comit@1", "@1"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), inject.Variable+"="+armed)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), inject.Variable) {
			t.Errorf("%s: %v, %s", armed, err, out)
		}
	}
}
