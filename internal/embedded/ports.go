package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ports are the TCP ports of the engines, kept as JSON in the data folder.
type ports struct {
	Postgres   int `json:"postgres"`
	Kafka      int `json:"kafka"`
	ClickHouse int `json:"clickhouse"`
}

// of returns the port of one engine.
func (p ports) of(engine Engine) int {
	return map[Engine]int{Postgres: p.Postgres, Kafka: p.Kafka, ClickHouse: p.ClickHouse}[engine]
}

// choosePorts takes each port from cfg, else from the data folder where it is still free, else any free one. The ports that
// cfg did not name are reserved until release is called.
func choosePorts(dir string, cfg Config) (chosen ports, release func(), err error) {
	path := filepath.Join(dir, "ports.json")
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return ports{}, nil, fmt.Errorf("reading ports: %w", err)
	default:
		if err := json.Unmarshal(raw, &chosen); err != nil {
			return ports{}, nil, fmt.Errorf("reading ports from %s: %w", path, err)
		}
	}
	var held []io.Closer
	release = func() {
		for _, h := range held {
			_ = h.Close() // it carried no data
		}
	}
	var missing []*int
	for _, p := range []struct {
		want  bool
		fixed int
		port  *int
	}{
		{cfg.Postgres, cfg.PostgresPort, &chosen.Postgres},
		{cfg.Kafka, cfg.KafkaPort, &chosen.Kafka},
		{cfg.ClickHouse, cfg.ClickHousePort, &chosen.ClickHouse},
	} {
		if !p.want {
			continue
		}
		if p.fixed != 0 {
			*p.port = p.fixed
			continue
		}
		if reservation, free := reserveKept(*p.port); free {
			held = append(held, reservation)
		} else {
			missing = append(missing, p.port)
		}
	}
	for _, port := range missing { // after those that were kept, so as not to take one of them
		held = append(held, reserveAny(port))
	}
	raw, err = json.Marshal(chosen)
	if err == nil {
		err = writeFile(path, append(raw, '\n'))
	}
	if err != nil {
		release()
		return ports{}, nil, fmt.Errorf("keeping ports: %w", err)
	}
	return chosen, release, nil
}

// reserveKept reserves the port of an earlier run. It tries for a moment: a child that is just being started holds what its
// parent held, until it executes its program.
func reserveKept(port int) (reservation io.Closer, free bool) {
	for range 20 {
		if reservation, free = reserve(port); free || port == 0 {
			break
		}
		time.Sleep(probeEvery)
	}
	return reservation, free
}

// reserveAny reserves a free port below the range from which the kernel serves outgoing connections.
func reserveAny(port *int) io.Closer {
	for {
		*port = 20000 + rand.IntN(12000) //nolint:gosec // not a secret
		if reservation, free := reserve(*port); free {
			return reservation
		}
	}
}

// reserve keeps a free TCP port from other Supervisors, of this process and of others, until the engine itself listens
// there and after. The reservation is the UDP port of the same number, which nothing here needs and which the kernel frees
// however its owner ends.
func reserve(port int) (reservation io.Closer, free bool) {
	if port == 0 {
		return nil, false
	}
	udp, err := net.ListenPacket("udp", loopback(port)) //nolint:noctx // nothing to wait for
	if err != nil {
		return nil, false
	}
	if !unused(port) {
		_ = udp.Close()
		return nil, false
	}
	return udp, true
}

// unused reports whether nobody listens on a TCP port.
func unused(port int) bool {
	tcp, err := net.Listen("tcp", loopback(port)) //nolint:noctx // nothing to wait for
	if err != nil {
		return false
	}
	_ = tcp.Close()
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
