// Package apache runs one Apache Kafka node, broker and controller in one, for tests and the fault harness. It belongs
// to no step of a click's life: it stands where an operator's Kafka stands.
//
// The embedded Kafka of package embedded is another program that speaks the same protocol. What holds there must hold
// with the original too, so `make test-kafka` runs the same tests and the same faults against this one.
package apache

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	formatLimit = 5 * time.Minute
	startLimit  = 5 * time.Minute // recovery after a kill is part of it
	stopLimit   = 30 * time.Second
	probeLimit  = 5 * time.Second
	probeEvery  = 50 * time.Millisecond
	tailBytes   = 4 << 10 // of the log, in an error
)

// Config is what a node is made of.
type Config struct {
	// Jars is the folder that Install gives.
	Jars string
	// Dir holds the node's settings, log and data. It must be empty or of an earlier node with the same Config.
	Dir string
	// Advertised is the address at which clients are told to find the broker, "host:port"; its own when empty. A proxy
	// stands there. With Secure it is that listener's.
	Advertised string
	// Settings are added to the broker's, such as "log.retention.check.interval.ms".
	Settings map[string]string
	// Secure, if set, adds a listener with SASL, and TLS where it has a certificate.
	Secure *Secure
}

// Secure is who may speak to the node's second listener, and how it proves itself. PLAIN, SCRAM-SHA-256 and
// SCRAM-SHA-512 are accepted.
type Secure struct {
	// Certificate is a chain in PEM, Key its private key in PKCS #8 and PEM; empty: no TLS, for a proxy that reads what passes.
	Certificate, Key []byte
	User, Password   string
}

// Node is one broker. Its methods are for one goroutine.
type Node struct {
	cfg     Config
	ports   ports
	running *process
}

// ports are those of the node on 127.0.0.1.
type ports struct{ plain, controller, secure int }

// New gives a node that is not started yet.
func New(cfg Config) (*Node, error) {
	if cfg.Jars == "" || cfg.Dir == "" {
		return nil, errors.New("making a Kafka node: it needs its jars and a folder")
	}
	n := &Node{cfg: cfg}
	var err error
	if n.ports, err = unusedPorts(); err != nil {
		return nil, err
	}
	return n, nil
}

// unusedPorts finds three that nobody listens on.
func unusedPorts() (ports, error) {
	var found [3]int
	for i := range found {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return ports{}, fmt.Errorf("finding a port: %w", err)
		}
		defer func() { _ = l.Close() }() // all are held until all are found
		address, _ := l.Addr().(*net.TCPAddr)
		found[i] = address.Port
	}
	return ports{found[0], found[1], found[2]}, nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Address is where the broker itself listens, without encryption: "127.0.0.1:port". It stays the same for its life.
func (n *Node) Address() string { return loopback(n.ports.plain) }

// SecureAddress is where it listens with SASL, if it was told to.
func (n *Node) SecureAddress() string { return loopback(n.ports.secure) }

// Pid is the process, 0 when none runs.
func (n *Node) Pid() int {
	if n.running == nil {
		return 0
	}
	return n.running.cmd.Process.Pid
}

// Start starts the broker, after making its folder ready the first time, and returns when it answers. It may be called
// again after Kill and Stop: address and data are the same. The broker ends with this process, however it ends.
func (n *Node) Start(ctx context.Context) error {
	if n.running != nil {
		return errors.New("starting Kafka: it runs already")
	}
	if err := n.format(ctx); err != nil {
		return err
	}
	log, err := os.OpenFile(n.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening log: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own copy
	cmd := n.java(context.WithoutCancel(ctx), "kafka.Kafka", n.settingsPath())
	cmd.Stdout, cmd.Stderr = log, log
	if n.running, err = launch(cmd); err != nil {
		return fmt.Errorf("starting Kafka: %w", err)
	}
	if err := n.await(ctx); err != nil {
		n.end(syscall.SIGKILL)
		return fmt.Errorf("starting Kafka: %w%s", err, n.logTail())
	}
	return nil
}

// java is a call of a main class among the jars.
func (n *Node) java(ctx context.Context, class string, args ...string) *exec.Cmd {
	args = append([]string{"-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true", "-cp", filepath.Join(n.cfg.Jars, "*"), class}, args...)
	cmd := exec.CommandContext(ctx, "java", args...) //nolint:gosec // the arguments are ours
	cmd.Dir = n.cfg.Dir
	return cmd
}

func (n *Node) settingsPath() string { return filepath.Join(n.cfg.Dir, "server.properties") }
func (n *Node) logPath() string      { return filepath.Join(n.cfg.Dir, "kafka.log") }
func (n *Node) dataPath() string     { return filepath.Join(n.cfg.Dir, "data") }

// format writes the settings and makes the data folder, unless it is there.
func (n *Node) format(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(n.dataPath(), "meta.properties")); err == nil {
		return nil
	}
	if err := os.MkdirAll(n.dataPath(), 0o700); err != nil {
		return fmt.Errorf("making data folder: %w", err)
	}
	if err := os.WriteFile(n.settingsPath(), []byte(n.settings()), 0o600); err != nil {
		return fmt.Errorf("writing settings: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, formatLimit)
	defer cancel()
	args := []string{"format", "--cluster-id", clusterID(), "--config", n.settingsPath()}
	if s := n.cfg.Secure; s != nil {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.User, s.Password))
		}
	}
	if said, err := n.java(ctx, "kafka.tools.StorageTool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("formatting Kafka's data folder: %w\n%s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

// clusterID is sixteen random bytes as Kafka writes them.
func clusterID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] &= 0x7f        // else it could begin with a hyphen, as options do
	return base64.RawURLEncoding.EncodeToString(id)
}

// await returns when the broker answers, or why it never will.
func (n *Node) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := probe(ctx, n.Address())
		if err == nil {
			return nil
		}
		select {
		case <-n.running.exited:
			return fmt.Errorf("it ended at once: %s", n.running.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// probe asks for the versions of the protocol, the one request that needs nothing.
func probe(ctx context.Context, address string) error {
	dialer := net.Dialer{Timeout: probeLimit}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(probeLimit)); err != nil {
		return fmt.Errorf("setting deadline: %w", err)
	}
	request := []byte{
		0, 0, 0, 10, // length of what follows
		0, 18, 0, 0, // ApiVersions, version 0
		0, 0, 0, 1, // correlation id
		0xff, 0xff, // no client id
	}
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("asking for versions: %w", err)
	}
	var head [10]byte // length, correlation id, error code
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return fmt.Errorf("reading versions: %w", err)
	}
	if code := binary.BigEndian.Uint16(head[8:]); code != 0 {
		return fmt.Errorf("reading versions: Kafka error %d", code)
	}
	return nil
}

// Kill ends the broker with SIGKILL and waits until it is gone.
func (n *Node) Kill() { n.end(syscall.SIGKILL) }

// Stop ends the broker in its own order, or by SIGKILL when that takes longer than half a minute.
func (n *Node) Stop() { n.end(syscall.SIGTERM) }

func (n *Node) end(how syscall.Signal) {
	if n.running == nil {
		return
	}
	_ = n.running.cmd.Process.Signal(how) // an error means it has ended already
	select {
	case <-n.running.exited:
	case <-time.After(stopLimit):
		_ = n.running.cmd.Process.Kill()
		<-n.running.exited
	}
	n.running = nil
}

// logTail is the end of the broker's log, as the end of an error that a person reads.
func (n *Node) logTail() string {
	log, err := os.ReadFile(n.logPath())
	if err != nil || len(log) == 0 {
		return ""
	}
	return fmt.Sprintf("\nthe end of %s:\n%s", n.logPath(), log[max(0, len(log)-tailBytes):])
}

// A process is a started broker.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended and was waited for
}

// launch starts cmd so that it ends with this process. On Linux the kernel signals the child when the thread that started
// it ends, so that thread is kept for the child's life.
func launch(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = endWithParent()
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine, after the child
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its state says how it ended
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting java: %w", err)
	}
	return p, nil
}
