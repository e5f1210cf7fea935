package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	franz "github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"tributary/internal/keyring"
)

// Cluster is a Kafka: where it is, and how to speak with it.
type Cluster struct {
	// Brokers are those to ask first, "host:port" each.
	Brokers []string
	// Prefix begins the names of the topics ("tributary.").
	Prefix string
	// Keys sign what is produced, the first of them, and check what is fetched, all of them. A client without keys produces
	// nothing, and whatever it fetches is Forged.
	Keys []keyring.Key
	Security
}

// Security says how to speak with brokers that ask who one is. The zero value is neither encryption nor password.
type Security struct {
	// TLS encrypts, and checks each broker's certificate against the name it is dialled by. There is no way to leave
	// the check out.
	TLS bool
	// CA is a file of certificates in PEM that the brokers' are issued by; the system's are used when it is empty.
	CA string
	// Mechanism of the password: "plain", "scram-sha-256" or "scram-sha-512", which is also what "" means.
	Mechanism string
	// User and Password are both empty where no password is asked for. Without TLS they are shown to brokers on a loopback
	// address only.
	User, Password string
}

// access is Security as kafka-go takes it.
type access struct {
	tls       *tls.Config
	mechanism sasl.Mechanism
}

// Check tells which setting cannot work, without connecting.
func (k Cluster) Check() error {
	_, err := k.access()
	return err
}

func (k Cluster) access() (a access, err error) {
	if k.CA != "" && !k.TLS {
		return a, errors.New("there are certificates to check brokers by, but TLS is off: set kafka-tls")
	}
	if k.TLS {
		if a.tls, err = k.config(); err != nil {
			return a, err
		}
	}
	if a.mechanism, err = k.mechanism(); err != nil || a.mechanism == nil || k.TLS {
		return a, err
	}
	for _, broker := range k.Brokers {
		if !isLoopback(broker) {
			return a, fmt.Errorf("the password would cross the network to %s in the open: set kafka-tls", broker)
		}
	}
	return a, nil
}

// isLoopback tells whether what is sent to "host:port" stays on this machine.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

func (s Security) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA == "" {
		return cfg, nil
	}
	content, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("reading certificates: %s holds none in PEM", s.CA)
	}
	return cfg, nil
}

func (s Security) mechanism() (sasl.Mechanism, error) {
	switch {
	case s.User == "" && s.Password == "":
		return nil, nil //nolint:nilnil // kafka-go's word for no password
	case s.User == "" || s.Password == "":
		return nil, errors.New("a user needs a password, and a password a user")
	}
	auth := scram.Auth{User: s.User, Pass: s.Password}
	switch strings.ToLower(s.Mechanism) {
	case "plain":
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case "scram-sha-256":
		return scramMechanism{auth.AsSha256Mechanism()}, nil
	case "scram-sha-512", "":
		return scramMechanism{auth.AsSha512Mechanism()}, nil
	}
	return nil, fmt.Errorf("the mechanism %q is not plain, scram-sha-256 or scram-sha-512", s.Mechanism)
}

// scramMechanism lends kafka-go the SCRAM of franz-go, a module that is here for the embedded Kafka. kafka-go's own would
// bring three more.
type scramMechanism struct{ franz.Mechanism }

// Start begins a conversation.
func (m scramMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	session, first, err := m.Authenticate(ctx, "")
	if err != nil {
		return nil, nil, fmt.Errorf("beginning SCRAM: %w", err)
	}
	return scramSession{session}, first, nil
}

type scramSession struct{ franz.Session }

// Next answers what the broker says.
func (s scramSession) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	done, response, err := s.Challenge(challenge)
	if err != nil {
		return false, nil, fmt.Errorf("answering SCRAM: %w", err)
	}
	return done, response, nil
}
