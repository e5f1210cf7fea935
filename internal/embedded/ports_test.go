package embedded

import (
	"net"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everything asks for all engines on ports of their own.
var everything = Config{Postgres: true, Kafka: true, ClickHouse: true}

func chosen(t *testing.T, dir string, cfg Config) (p ports, release func()) {
	t.Helper()
	p, release, err := choosePorts(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, release
}

func TestPortsAreKeptWithTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, release := chosen(t, dir, everything)
	release()
	second, release := chosen(t, dir, everything)
	defer release()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("ports of the same folder (-first +second):\n%s", diff)
	}
}

func TestPortsOfSupervisorsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 5 {
		p, release := chosen(t, t.TempDir(), everything)
		defer release()
		for _, port := range []int{p.Postgres, p.Kafka, p.ClickHouse} {
			if port == 0 || seen[port] {
				t.Errorf("port %d was given before", port)
			}
			seen[port] = true
		}
	}
}

func TestTakenPortIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before, release := chosen(t, dir, everything)
	release()
	other, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(before.Kafka)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	after, release := chosen(t, dir, everything)
	defer release()
	if after.Kafka == before.Kafka {
		t.Errorf("port %d is given although it is taken", after.Kafka)
	}
	before.Kafka, after.Kafka = 0, 0
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the other ports (-before +after):\n%s", diff)
	}
}

func TestFixedPortWinsAndOthersStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before, release := chosen(t, dir, everything)
	release()
	after, release := chosen(t, dir, Config{Kafka: true, KafkaPort: 9092})
	defer release()
	want := before
	want.Kafka = 9092
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}
