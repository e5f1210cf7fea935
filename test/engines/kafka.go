package engines

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"tributary/internal/embedded"
	"tributary/internal/keyring"
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
	ca := u.Query().Get("ca")
	return Cluster{stream.Cluster{
		Brokers: []string{u.Host}, Prefix: unique() + ".", Keys: []keyring.Key{keyring.Generate(1)},
		Security: stream.Security{TLS: ca != "", CA: ca, Mechanism: kafkaMechanism, User: u.User.Username(), Password: password},
	}}
}

// GuardedKafka gives the test an embedded Kafka of its own that judges rights, as its super user (SCRAM-SHA-512).
func GuardedKafka(tb testing.TB) Cluster {
	tb.Helper()
	const user = "tributary_migrate"
	password := unique()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("SCRAM-SHA-512", user, password))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(broker.Close)
	return Cluster{stream.Cluster{Brokers: broker.ListenAddrs(), Prefix: unique() + ".", Keys: []keyring.Key{keyring.Generate(1)}, Security: stream.Security{Mechanism: "scram-sha-512", User: user, Password: password}}}
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
		"TRIBUTARY_RECORD_KEYS=" + k.Keys[0].Reveal(),
		"TRIBUTARY_KAFKA_USER=" + k.User, "TRIBUTARY_KAFKA_PASSWORD=" + k.Password, "TRIBUTARY_KAFKA_MECHANISM=" + k.Mechanism,
		"TRIBUTARY_KAFKA_TLS=" + strconv.FormatBool(k.TLS), "TRIBUTARY_KAFKA_CA=" + k.CA,
	}
}

// Foreign gives the client of another program, which has the password and no keys, until the test ends.
func (k Cluster) Foreign(tb testing.TB, options ...kgo.Opt) *kgo.Client {
	tb.Helper()
	auth := scram.Auth{User: k.User, Pass: k.Password}
	options = append(options, kgo.SeedBrokers(k.Brokers...))
	if k.Mechanism == kafkaMechanism {
		options = append(options, kgo.SASL(auth.AsSha256Mechanism()))
	} else {
		options = append(options, kgo.SASL(auth.AsSha512Mechanism()))
	}
	if k.TLS {
		pool := x509.NewCertPool()
		content, err := os.ReadFile(k.CA)
		if err != nil || !pool.AppendCertsFromPEM(content) {
			tb.Fatalf("reading certificates of %s: %v", k.CA, err)
		}
		options = append(options, kgo.DialTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	c, err := kgo.NewClient(options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// Steal reads a record as another program does, which has the password and no keys.
func (k Cluster) Steal(tb testing.TB, topic string, partition int32, offset int64) *kgo.Record {
	tb.Helper()
	c := k.Foreign(tb, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{k.Prefix + topic: {partition: kgo.NewOffset().At(offset)}}))
	fetched := c.PollRecords(tb.Context(), 1)
	if err := fetched.Err(); err != nil {
		tb.Fatal(err)
	}
	return fetched.Records()[0]
}

// Plant writes a record as another program does: value and headers of one that was stolen, with other headers in place of
// those of the same name. A nil value leaves a header out.
func (k Cluster) Plant(tb testing.TB, topic string, partition int32, stolen *kgo.Record, change map[string][]byte) {
	tb.Helper()
	planted := &kgo.Record{Topic: k.Prefix + topic, Partition: partition, Key: stolen.Key, Value: stolen.Value}
	for _, h := range stolen.Headers {
		if value, ok := change[h.Key]; ok {
			h.Value = value
		}
		if h.Value != nil {
			planted.Headers = append(planted.Headers, h)
		}
	}
	c := k.Foreign(tb, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := c.ProduceSync(tb.Context(), planted).FirstErr(); err != nil {
		tb.Fatal(err)
	}
}
