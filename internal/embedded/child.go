package embedded

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
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
	if role == rolePostgres {
		return guardPostgres(args) // it has more to do at the end of its parent than to exit
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent never writes: this returns when the parent is gone
		os.Exit(1)
	}()
	switch role {
	case string(Kafka):
		return serveKafka(args)
	case string(ClickHouse):
		return serveClickHouse(args)
	}
	return fmt.Errorf("starting engine: %s=%q is not a known engine", roleVariable, role)
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
