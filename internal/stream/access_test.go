package stream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/internal/keyring"
	"tributary/internal/stream"
	"tributary/test/kafkanode/apache"
)

// issuer signs certificates for brokers.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// file holds its own certificate.
	file string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	ca := &issuer{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	var raw []byte
	raw, ca.key = ca.sign(template, template)
	var err error
	if ca.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return ca
}

// sign makes a key and a certificate for it, signed by the parent.
func (ca *issuer) sign(template, parent *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	ca.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	by := ca.key
	if by == nil {
		by = key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		ca.t.Fatal(err)
	}
	return raw, key
}

// issue gives a broker's certificate for 127.0.0.1, or what change makes of it, and its key, both in PEM.
func (ca *issuer) issue(change func(*x509.Certificate)) (certificate, key []byte) {
	ca.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	raw, private := ca.sign(template, ca.cert)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		ca.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// secured is an embedded Kafka with TLS, and a password for each mechanism.
func secured(t *testing.T, certificate, key []byte, change func(*tls.Config)) []string {
	t.Helper()
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if change != nil {
		change(cfg)
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(cfg), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "plain", "secret"), kfake.Superuser("SCRAM-SHA-256", "small", "secret"), kfake.Superuser("SCRAM-SHA-512", "large", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return broker.ListenAddrs()
}

// roundTrip sends a record and reads it.
func roundTrip(t *testing.T, brokers []string, s stream.Security) error {
	t.Helper()
	c, err := stream.Open(stream.Cluster{Brokers: brokers, Prefix: strings.ToLower(rand.Text()) + ".", Security: s, Keys: []keyring.Key{keyring.Generate(1)}}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		return err
	}
	if err := c.Produce(t.Context(), topic, 0, numbered(1, 1, 10)); err != nil {
		return err
	}
	records, err := c.Fetch(t.Context(), topic, 0, 0, 1<<20, 5*time.Second)
	if err == nil && len(records) != 10 {
		t.Errorf("%d records came back", len(records))
	}
	return err
}

func TestBrokersBehindTLSAndPasswords(t *testing.T) {
	t.Parallel()
	ca := newIssuer(t)
	certificate, key := ca.issue(nil)
	brokers := secured(t, certificate, key, nil)
	for _, c := range []struct {
		name string
		s    stream.Security
		want string // of the error
	}{
		{"plain", stream.Security{TLS: true, CA: ca.file, Mechanism: "plain", User: "plain", Password: "secret"}, ""},
		{"scram-sha-256", stream.Security{TLS: true, CA: ca.file, Mechanism: "SCRAM-SHA-256", User: "small", Password: "secret"}, ""},
		{"scram-sha-512 when nothing is said", stream.Security{TLS: true, CA: ca.file, User: "large", Password: "secret"}, ""},
		{"another password", stream.Security{TLS: true, CA: ca.file, User: "large", Password: "guess"}, "the user or the password may be refused"},
		{"another password, plain", stream.Security{TLS: true, CA: ca.file, Mechanism: "plain", User: "plain", Password: "guess"}, "the user or the password may be refused"},
		{"no password", stream.Security{TLS: true, CA: ca.file}, "Broker Not Available"},
		{"no TLS", stream.Security{}, "Broker Not Available"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := roundTrip(t, brokers, c.s)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("it gave %v, want %q", err, c.want)
			}
		})
	}
}

func TestBrokersThatCannotProveWhoTheyAreAreRefused(t *testing.T) {
	t.Parallel()
	ca, stranger := newIssuer(t), newIssuer(t)
	for _, c := range []struct {
		name   string
		change func(*x509.Certificate)
		server func(*tls.Config)
		ca     string
		want   string
	}{
		{name: "issued by somebody else", ca: stranger.file, want: "certificate signed by unknown authority"},
		{name: "unknown to the system", want: "certificate signed by unknown authority"},
		{
			name: "another address", ca: ca.file, want: "certificate is valid for 127.0.0.9",
			change: func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 9)} },
		},
		{
			name: "another name", ca: ca.file, want: "cannot validate certificate for 127.0.0.1",
			change: func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"kafka.example"} },
		},
		{name: "expired", ca: ca.file, want: "certificate has expired", change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
		{
			name: "not meant for servers", ca: ca.file, want: "incompatible key usage",
			change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
		},
		{
			name: "TLS 1.1", ca: ca.file, want: "protocol version",
			server: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			certificate, key := ca.issue(c.change)
			brokers := secured(t, certificate, key, c.server)
			err := roundTrip(t, brokers, stream.Security{TLS: true, CA: c.ca, User: "large", Password: "secret"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it gave %v, want %q", err, c.want)
			}
		})
	}
}

func TestAPasswordInTheOpenStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		brokers string
		tls     bool
		want    string // of the error
	}{
		{"127.0.0.1:9092", false, ""},
		{"127.8.9.10:9092,[::1]:9092,localhost:9092", false, ""},
		{"kafka:9092", false, "to kafka:9092 in the open: set kafka-tls"},
		{"127.0.0.1:9092,10.0.0.1:9092", false, "to 10.0.0.1:9092 in the open"},
		{"0.0.0.0:9092", false, "to 0.0.0.0:9092 in the open"},
		{"127.0.0.1.example:9092", false, "in the open"},
		{"localhost.example:9092", false, "in the open"},
		{"127.0.0.1", false, "in the open"}, // without a port
		{"kafka:9092,10.0.0.1:9092", true, ""},
	} {
		err := stream.Cluster{Brokers: strings.Split(c.brokers, ","), Security: stream.Security{TLS: c.tls, User: "u", Password: "p"}}.Check()
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with TLS %v gave %v, want %q", c.brokers, c.tls, err, c.want)
		}
	}
}

// elsewhere is an address of this machine that is not loopback.
func elsewhere(t *testing.T) net.IP {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && !network.IP.IsLoopback() && network.IP.To4() != nil {
			return network.IP
		}
	}
	t.Skip("this machine has only loopback addresses")
	return nil
}

// advertised is a listener that calls itself another.
type advertised struct {
	net.Listener

	address *net.TCPAddr
}

func (a advertised) Addr() net.Addr { return a.address }

func TestABrokerElsewhereIsShownNoPasswordInTheOpen(t *testing.T) {
	t.Parallel()
	away, ports := elsewhere(t), make(chan int, 1)
	reached := make(chan struct{}, 1)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "u", "p"),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			if err != nil {
				return nil, err
			}
			port := l.Addr().(*net.TCPAddr).Port
			ports <- port
			return advertised{l, &net.TCPAddr{IP: away, Port: port}}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	port := <-ports
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: away, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if n, _ := conn.Read(make([]byte, 1)); n > 0 {
			reached <- struct{}{}
		}
	}()
	s := stream.Security{Mechanism: "scram-sha-256", User: "u", Password: "p"}
	if err := roundTrip(t, []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}, s); err == nil || !strings.Contains(err.Error(), "advertise a loopback address") {
		t.Errorf("it gave %v", err)
	}
	select {
	case <-reached:
		t.Error("the broker elsewhere was sent something")
	default:
	}
}

func TestSettingsThatCannotBeSecureAreRefused(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]stream.Security{
		"TLS is off":              {CA: empty},
		"holds none in PEM":       {TLS: true, CA: empty},
		"no such file":            {TLS: true, CA: empty + ".not"},
		"a user needs a password": {TLS: true, User: "u"},
		"a password a user":       {TLS: true, Password: "p"},
		`"md5" is not plain`:      {TLS: true, User: "u", Password: "p", Mechanism: "md5"},
	} {
		if _, err := stream.Open(stream.Cluster{Brokers: []string{"127.0.0.1:1"}, Security: s}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gave %v, want %q", s, err, want)
		}
	}
}

func TestApacheKafkaBehindTLSAndPasswords(t *testing.T) { //nolint:paralleltest // a broker that starts takes the processors
	if os.Getenv("TRIBUTARY_TEST_KAFKA_URL") == "" {
		t.Skip("make test-kafka runs it")
	}
	jars, err := apache.Install(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	ca := newIssuer(t)
	certificate, key := ca.issue(nil)
	node, err := apache.New(apache.Config{
		Jars: jars, Dir: t.TempDir(),
		Secure: &apache.Secure{Certificate: certificate, Key: key, User: "tributary", Password: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Stop)
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		s := stream.Security{TLS: true, CA: ca.file, Mechanism: mechanism, User: "tributary", Password: "secret"}
		if err := roundTrip(t, []string{node.SecureAddress()}, s); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
		s.Password = "guess"
		if err := roundTrip(t, []string{node.SecureAddress()}, s); err == nil {
			t.Errorf("%s: any password will do", mechanism)
		}
	}
}
