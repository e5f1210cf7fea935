package stream_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tributary/internal/keyring"
	"tributary/internal/stream"
	"tributary/test/kafkanode/apache"
)

// composed runs the broker of docker-compose.yml by its own scripts, and gives it as the user of migrate.
func composed(t *testing.T) stream.Cluster {
	t.Helper()
	if os.Getenv("TRIBUTARY_TEST_KAFKA_URL") == "" {
		t.Skip("make test-kafka runs it")
	}
	jars, err := apache.Install(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Abs(filepath.Join("..", "..", "deploy", "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keys, public := filepath.Join(dir, "keys"), filepath.Join(dir, "public")
	for _, folder := range []string{keys, public, filepath.Join(dir, "data")} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing to do
		owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
		certify := exec.CommandContext(t.Context(), "sh", filepath.Join(scripts, "certificates.sh"), keys, public, owner, "dns:localhost", "ip:127.0.0.1")
		if said, err := certify.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	address, controller, broker := freePort(t), freePort(t), freePort(t)
	start := exec.Command("sh", filepath.Join(scripts, "start.sh"))
	start.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	start.Env = append(os.Environ(), "KAFKA_LIBS="+jars, "KAFKA_DATA="+filepath.Join(dir, "data"), "KAFKA_KEYS="+keys, "KAFKA_RUN="+dir,
		"KAFKA_LOG_SETTINGS="+filepath.Join(scripts, "log4j2.properties"), "KAFKA_NAME=127.0.0.1", "KAFKA_BIND=127.0.0.1",
		"KAFKA_PORT="+strconv.Itoa(address), "KAFKA_CONTROLLER_PORT="+strconv.Itoa(controller), "KAFKA_BROKER_PORT="+strconv.Itoa(broker),
		"KAFKA_MIGRATE_PASSWORD=of-the-owner", "KAFKA_HEAP_OPTS=-Xmx512m")
	var log bytes.Buffer
	start.Stdout, start.Stderr = &log, &log
	if err := start.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = start.Wait() // its output says more
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-start.Process.Pid, syscall.SIGKILL)
		<-ended
		if t.Failed() {
			t.Logf("the broker said: %s", log.Bytes())
		}
	})
	k := stream.Cluster{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", address)}, Prefix: "t.", Keys: []keyring.Key{keyring.Generate(1)}, Security: stream.Security{
		TLS: true, CA: filepath.Join(public, "ca.pem"), User: "tributary_migrate", Password: "of-the-owner",
	}}
	awaitLogIn(t, k, ended)
	return k
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// awaitLogIn waits until a broker takes its user.
func awaitLogIn(t *testing.T, k stream.Cluster, ended <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(3 * time.Minute)
	c := logIn(t, k, k.User, k.Password)
	for {
		_, err := c.Excess(t.Context())
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatal("the broker ended")
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func TestTheComposedKafkaKeepsRolesApart(t *testing.T) { //nolint:paralleltest // a broker that starts takes the processors
	k := composed(t)
	admin := setUp(t, k)
	rightsHold(t, k)
	if found, err := admin.Excess(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("somebody has more rights than needed: %v (%v)", found, err)
	}
	operator := logIn(t, k, string(stream.Operator), rolePassword(stream.Operator))
	brokers, err := operator.Brokers(t.Context())
	if err != nil || len(brokers) != 1 || brokers[0].Unchecked || brokers[0].Everyone || len(brokers[0].Open) > 0 {
		t.Errorf("its settings are %+v (%v)", brokers, err)
	}
	if end, err := operator.Expiry(t.Context(), k.Brokers[0]); err != nil || time.Until(end) < 800*24*time.Hour || time.Until(end) > 825*24*time.Hour {
		t.Errorf("its certificate ends %v (%v)", end, err)
	}
}
