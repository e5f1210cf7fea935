package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// rolePostgres is the child that stands between us and PostgreSQL where the kernel does not tell it of our end.
const rolePostgres = "postgres"

// guardPostgres starts PostgreSQL, passes signals on to it, and ends it when the parent is gone. It is for systems where a
// child is not told of its parent's death; PostgreSQL itself would not notice.
func guardPostgres(args []string, orphaned <-chan struct{}) error {
	if len(args) == 0 {
		return errors.New("guarding PostgreSQL: no program was given")
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // as our parent asked; ended by signals below
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	go func() {
		<-orphaned
		signals <- syscall.SIGQUIT
	}()
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("running PostgreSQL: %w", err)
	}
	return nil
}
