// Command tributary is the whole network in one binary: every stage of the river by role, the demo, and the commands
// of those who operate it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tributary/internal/embedded"
	"tributary/internal/fault"
)

func main() {
	embedded.ChildMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ())
	stop()
	if err == nil {
		return
	}
	if finding := (*findingError)(nil); !errors.As(err, &finding) {
		fmt.Fprintln(os.Stderr, "tributary: "+err.Error())
		if shown, ok := errors.AsType[*fault.Error](err); ok {
			for _, f := range shown.Fields {
				fmt.Fprintf(os.Stderr, "  %s: %s\n", f.Name, f.Fix)
			}
		}
	}
	if input := (*inputError)(nil); errors.As(err, &input) {
		os.Exit(2)
	}
	os.Exit(1)
}

// run is the command line without the process around it.
func run(ctx context.Context, args, environ []string) error {
	root := newRoot(environ)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// findingError ends a command that did its work and found something wrong, which it has printed already.
type findingError struct{ findings int }

func (e *findingError) Error() string { return fmt.Sprintf("%d findings", e.findings) }
