// Command kafkanode runs a command beside one Apache Kafka node of its own, whose address the command finds in
// TRIBUTARY_TEST_KAFKA_URL: `kafkanode go test ./internal/stream`. The node asks for a password (SCRAM-SHA-256) over TLS. It
// belongs to no step of a click's life.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"tributary/test/kafkanode/apache"
)

// patience is how long the command may take to end after it was asked to.
const patience = 30 * time.Second

func main() {
	err := run(os.Args[1:])
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		os.Exit(failed.ExitCode()) // it has said why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kafkanode:", err)
		os.Exit(1)
	}
}

func run(command []string) error {
	if len(command) == 0 {
		return errors.New("there is nothing to run: kafkanode COMMAND ARGUMENTS")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	jars, err := apache.Install(ctx, os.Stderr)
	if err != nil {
		return err //nolint:wrapcheck // it says what it was doing
	}
	dir, err := os.MkdirTemp("", "tributary-kafkanode-")
	if err != nil {
		return fmt.Errorf("making folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	secure := apache.NewSecure()
	if err := secure.Certify(); err != nil {
		return err //nolint:wrapcheck // as above
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, secure.Certificate, 0o600); err != nil {
		return fmt.Errorf("writing certificate: %w", err)
	}
	node, err := apache.New(apache.Config{Jars: jars, Dir: dir, Secure: secure})
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	began := time.Now()
	if err := node.Start(ctx); err != nil {
		return err //nolint:wrapcheck // as above
	}
	defer node.Stop()
	fmt.Fprintf(os.Stderr, "kafkanode: Apache Kafka %s answers at %s after %v\n", apache.Version, node.SecureAddress(), time.Since(began).Round(time.Millisecond))

	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // to run it is what this is for
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	address := url.URL{
		Scheme: "kafka", User: url.UserPassword(secure.User, secure.Password), Host: node.SecureAddress(),
		RawQuery: url.Values{"ca": {ca}}.Encode(),
	}
	cmd.Env = append(os.Environ(), "TRIBUTARY_TEST_KAFKA_URL="+address.String())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	return cmd.Run() //nolint:wrapcheck // main wants its exit code
}
