package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	franz "github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Security says how to speak with brokers that ask who one is. The zero value is neither encryption nor password.
type Security struct {
	// TLS encrypts, and checks each broker's certificate against the name it is dialled by. There is no way to leave
	// the check out.
	TLS bool
	// CA is a file of certificates in PEM that the brokers' are issued by; the system's are used when it is empty.
	CA string
	// Mechanism of the password: "plain", "scram-sha-256" or "scram-sha-512", which is also what "" means.
	Mechanism string
	// User and Password are both empty where no password is asked for.
	User, Password string
}

// access is Security as kafka-go takes it.
type access struct {
	tls       *tls.Config
	mechanism sasl.Mechanism
}

// OpenSecure is Open for brokers behind TLS and SASL. An error says which setting cannot work.
func OpenSecure(brokers []string, prefix string, s Security, log *slog.Logger) (*Client, error) {
	a, err := s.access()
	if err != nil {
		return nil, fmt.Errorf("securing the way to Kafka: %w", err)
	}
	return open(brokers, prefix, a, log), nil
}

// Check tells which setting cannot work, without connecting.
func (s Security) Check() error {
	_, err := s.access()
	return err
}

func (s Security) access() (a access, err error) {
	if s.CA != "" && !s.TLS {
		return a, errors.New("there are certificates to check brokers by, but TLS is off")
	}
	if s.TLS {
		if a.tls, err = s.config(); err != nil {
			return a, err
		}
	}
	a.mechanism, err = s.mechanism()
	return a, err
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
	case !s.TLS:
		return nil, errors.New("a password must not cross the network in the open: turn TLS on")
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
