package embedded

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// roleVariable tells a process that it is an engine.
const roleVariable = "TRIBUTARY_ENGINE_CHILD"

// ChildMain runs the engine that this process was started as, and then never returns; in any other process it returns at
// once. main and TestMain call it first.
func ChildMain() {
	role := os.Getenv(roleVariable)
	if role == "" {
		return
	}
	if err := runChild(role, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runChild(role string, args []string) error {
	pipe, err := syscall.Dup(syscall.Stdin) // a copy: ClickHouse puts something else in the place of the original
	if err != nil {
		return fmt.Errorf("keeping pipe to the parent: %w", err)
	}
	orphaned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(pipe), "parent")) // the parent never writes: this returns when it is gone
		close(orphaned)
	}()
	switch role {
	case rolePostgres:
		return guardPostgres(args, orphaned)
	case string(Kafka):
		exitWhen(orphaned)
		return serveKafka(args)
	case string(ClickHouse):
		exitWhen(orphaned)
		return serveClickHouse(args)
	}
	return fmt.Errorf("starting engine: %s=%q is not a known engine", roleVariable, role)
}

func exitWhen(orphaned <-chan struct{}) {
	go func() {
		<-orphaned
		os.Exit(1)
	}()
}

// childCommand starts this executable again in a role.
func childCommand(role string, args ...string) (*exec.Cmd, error) {
	self := "/proc/self/exe" // right even when the file was replaced or deleted meanwhile
	if runtime.GOOS != "linux" {
		var err error
		if self, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("finding this executable: %w", err)
		}
	}
	cmd := exec.Command(self, args...) //nolint:gosec,noctx // this very program; a process ends its own way, see process.end
	cmd.Args[0] = "tributary-" + role
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd, nil
}
