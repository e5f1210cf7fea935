package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// kafkaBroker is franz-go's kfake in a process of its own. It keeps records in segment files and only an index in memory.
// It trims a topic only when the topic itself was given retention.ms or retention.bytes. It listens on 127.0.0.1 and takes
// nothing but the protocol's versions and a log-in from whoever has not shown the password.
type kafkaBroker struct {
	cfg      Config
	dir      string
	port     int
	password string
}

// The one user of Kafka, and how the password is shown.
const (
	kafkaUser      = "tributary"
	kafkaMechanism = "SCRAM-SHA-256"
)

func (k *kafkaBroker) prepare(_ context.Context, dir string, p ports) (string, error) {
	k.dir, k.port = filepath.Join(dir, "kafka"), p.Kafka
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return "", fmt.Errorf("making data folder: %w", err)
	}
	var err error
	k.password, err = password(k.passwordPath())
	return loopback(k.port), err
}

func (k *kafkaBroker) passwordPath() string { return k.dir + ".password" }

// command also removes the users that kfake kept: it would prefer them to those of the password file.
func (k *kafkaBroker) command() (*exec.Cmd, error) {
	if err := os.Remove(filepath.Join(k.dir, "sasl.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing kept users: %w", err)
	}
	cmd, err := childCommand(string(Kafka),
		"-dir="+k.dir, "-password="+k.passwordPath(), "-port="+strconv.Itoa(k.port), "-advertised="+strconv.Itoa(k.cfg.KafkaAdvertised), "-sync="+strconv.FormatBool(!k.cfg.Throwaway))
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = endWithParent(syscall.SIGKILL)
	return cmd, nil
}

// probe asks for the supported versions, the one request that needs nothing. A connection alone proves little: the kernel
// accepts it before kfake has read its files.
func (k *kafkaBroker) probe(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", loopback(k.port))
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fmt.Errorf("setting deadline: %w", err)
		}
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

// serveKafka is the broker's process.
func serveKafka(args []string) error {
	flags := flag.NewFlagSet("kafka", flag.ContinueOnError)
	dir := flags.String("dir", "", "data folder")
	passwordPath := flags.String("password", "", "file of the password")
	port := flags.Int("port", 0, "TCP port on 127.0.0.1")
	advertised := flags.Int("advertised", 0, "TCP port that clients are told, where it is another")
	sync := flags.Bool("sync", true, "fsync each batch before it is acknowledged")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading arguments: %w", err)
	}
	secret, err := password(*passwordPath)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	options := []kfake.Opt{
		kfake.Ports(*port),
		kfake.ClusterID("tributary"),
		kfake.DataDir(*dir),
		kfake.EnableSASL(),
		kfake.Superuser(kafkaMechanism, kafkaUser, secret),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes":      strconv.Itoa(32 << 20), // a start reads whole segments, and only whole ones are trimmed
			"log.cleaner.backoff.ms": "60000",                // between two looks for what a topic's retention lets go
		}),
		kfake.WithLogger(kfake.BasicLogger(os.Stderr, kfake.LogLevelWarn)),
	}
	if *sync {
		options = append(options, kfake.SyncWrites())
	}
	if *advertised != 0 {
		options = append(options, kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address) //nolint:noctx // nothing to wait for
			return advertisedListener{l, net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: *advertised}}, err
		}))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return fmt.Errorf("starting broker on %s: %w", loopback(*port), err)
	}
	debug.FreeOSMemory() // kfake has read all its segments to find their ends, and needs none of that any more
	<-stop
	cluster.Close()
	return nil
}

// advertisedListener gives another address for its own: kfake tells clients what its listener says.
type advertisedListener struct {
	net.Listener

	address net.TCPAddr
}

// Addr is where clients are told to go.
func (l advertisedListener) Addr() net.Addr { return &l.address }
