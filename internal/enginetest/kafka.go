package enginetest

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"tributary/internal/embedded"
	"tributary/internal/stream"
)

// kafkaMechanism is how both the embedded Kafka and that of TRIBUTARY_TEST_KAFKA_URL want the password.
const kafkaMechanism = "scram-sha-256"

// A Cluster is Kafka for one test, under a prefix that no other test's topics have. Topics are the caller's to create.
// They stay until the test process ends, or, on an external server, for good.
type Cluster struct{ stream.Cluster }

// Kafka gives the test its Kafka.
func Kafka(tb testing.TB) Cluster {
	tb.Helper()
	address, err := shared.start(&shared.kafka, kafkaVariable, embedded.Config{Kafka: true}, func(a embedded.Addresses) string {
		return (&url.URL{Scheme: "kafka", User: url.UserPassword(a.KafkaUser, a.KafkaPassword), Host: a.KafkaBrokers}).String()
	})
	if err != nil {
		tb.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	password, _ := u.User.Password()
	return Cluster{stream.Cluster{
		Brokers: []string{u.Host}, Prefix: unique() + ".",
		Security: stream.Security{Mechanism: kafkaMechanism, User: u.User.Username(), Password: password},
	}}
}

// Open gives a client that is closed when the test ends.
func (k Cluster) Open(tb testing.TB) *stream.Client {
	tb.Helper()
	c, err := stream.Open(k.Cluster, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// Environ is what the program's processes are told of it.
func (k Cluster) Environ() []string {
	return []string{
		"TRIBUTARY_KAFKA_BROKERS=" + strings.Join(k.Brokers, ","), "TRIBUTARY_KAFKA_PREFIX=" + k.Prefix,
		"TRIBUTARY_KAFKA_USER=" + k.User, "TRIBUTARY_KAFKA_PASSWORD=" + k.Password, "TRIBUTARY_KAFKA_MECHANISM=" + k.Mechanism,
	}
}

// Foreign gives the client of another program, which has the password, until the test ends.
func (k Cluster) Foreign(tb testing.TB, options ...kgo.Opt) *kgo.Client {
	tb.Helper()
	auth := scram.Auth{User: k.User, Pass: k.Password}
	c, err := kgo.NewClient(append(options, kgo.SeedBrokers(k.Brokers...), kgo.SASL(auth.AsSha256Mechanism()))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}
