// Package stream carries records to Kafka and back: one request at a time, acknowledged by all replicas, to and from
// a partition that the caller names. It belongs to steps 2, 3 and 5 of a click's life, and it is the only package
// that knows kafka-go. There are no consumer groups here and no background batching: positions live in PostgreSQL
// (package position), and what was sent without an answer is simply sent again, since each record carries the spool
// it came from and a dense sequence number by which a consumer drops what it has seen.
package stream

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"tributary/internal/event"
)

// Record is one record of a topic.
type Record struct {
	Partition int
	// Offset is where the record stands in its partition; Produce ignores it.
	Offset int64
	// Key and Value share memory with the other records of one Fetch: whoever keeps one keeps them all.
	Key, Value []byte
	// Spool names the outbox that the record came from, and Seq is its number in that outbox's lane: 1, 2, 3, ...
	Spool [16]byte
	Seq   uint64
	// Time is when the record was produced, or when Kafka appended it if the topic says so, in milliseconds and UTC.
	// Produce ignores it: the time of the attempt counts.
	Time time.Time

	// Seal tells whether the record may be believed, KeyID which key it names, and Foreign that it is not in the format that this
	// version reads. Fetch fills them in, and Produce ignores them and what follows.
	Seal    Seal
	KeyID   uint8
	Foreign bool
	// Headers are those of a record that is not genuine, as Kafka has them.
	Headers []byte
}

// Hash names the record by all that its producer wrote. Only those that are not genuine have one.
func (r *Record) Hash() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [][]byte{r.Headers, r.Key, r.Value} {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Client speaks with one Kafka cluster. It may be used by many goroutines.
type Client struct {
	brokers []string
	prefix  string
	user    string // whom it logs in as, if as anybody
	log     *slog.Logger
	access  access
	ring    *ring // nil without keys
	link    atomic.Pointer[link]
	// background ends with end, and with it what kafka-go does by itself.
	background context.Context //nolint:containedctx // the life of the client, which no call has
	end        context.CancelFunc

	buffers sync.Pool // of *[]byte, for requests

	mu          sync.Mutex
	conns       map[net.Conn]struct{}
	closed      bool
	unreachable error // why the last connection could not be made; nil when it was

	stalls stalls
}

// link is kafka-go's part of a client: what it knows of the cluster, and its connections.
type link struct {
	transport *kafka.Transport
	admin     *kafka.Client
}

// Limits of one request. The broker is told less than the client waits, so that its answer still arrives.
const (
	produceTimeout = 5 * time.Second
	brokerTimeout  = 4 * time.Second
	adminTimeout   = 10 * time.Second
	topicLimit     = time.Minute // for Kafka to make a topic: a busy controller takes its time
	fetchMargin    = 3 * time.Second
	dialTimeout    = 3 * time.Second
	// metadataTTL is how long a change of leaders may go unnoticed: kafka-go never asks sooner.
	metadataTTL = time.Second
)

// Topics lists what the pipeline consists of.
func Topics() []string { return []string{event.Touches, event.Orders, event.Decisions} }

// Open makes a client of a cluster. An error says which setting cannot work: it does not connect yet. Close ends what it
// starts later.
func Open(k Cluster, log *slog.Logger) (*Client, error) {
	a, err := k.access()
	if err != nil {
		return nil, fmt.Errorf("securing the way to Kafka: %w", err)
	}
	keys, err := newRing(k.Keys)
	if err != nil {
		return nil, err
	}
	c := &Client{brokers: k.Brokers, prefix: k.Prefix, user: k.User, log: log, access: a, ring: keys, conns: make(map[net.Conn]struct{})}
	c.background, c.end = context.WithCancel(context.Background())
	c.stalls.failing = make(map[place]time.Time)
	c.stalls.limit = stalledAfter
	c.link.Store(c.newLink())
	return c, nil
}

// KeyIDs lists the numbers of the keys that the client checks records by.
func (c *Client) KeyIDs() []int16 { return c.ring.ids() }

func (c *Client) newLink() *link {
	names := make([]string, 0, len(Topics()))
	for _, t := range Topics() {
		names = append(names, c.prefix+t)
	}
	transport := &kafka.Transport{
		Context:        c.background,
		ClientID:       clientID,
		Dial:           c.dial,
		DialTimeout:    dialTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: names,
		SASL:           c.access.mechanism,
	}
	return &link{transport, &kafka.Client{Addr: kafka.TCP(c.brokers...), Timeout: adminTimeout, Transport: transport}}
}

// errClosed is what a call on a closed client gives.
var errClosed = errors.New("the Kafka client is closed")

// dial remembers each connection, because kafka-go by itself closes only those that are idle, and why the last one could
// not be made, because kafka-go does not say.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.connect(ctx, network, address)
	if err != nil {
		err = fmt.Errorf("connecting to Kafka at %s: %w", address, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unreachable = err
	if err != nil {
		return nil, err
	}
	if c.closed {
		_ = conn.Close()
		return nil, errClosed
	}
	tracked := &trackedConn{Conn: conn, client: c}
	c.conns[tracked] = struct{}{}
	return tracked, nil
}

// connect makes a connection, and lets the broker prove who it is.
func (c *Client) connect(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if c.access.tls == nil {
		conn, err := dialer.DialContext(ctx, network, address)
		if err == nil && c.access.mechanism != nil && !isLoopback(conn.RemoteAddr().String()) { // a broker may advertise any address
			_ = conn.Close()
			return nil, errors.New("the password would cross the network in the open: set kafka-tls, or have the broker advertise a loopback address")
		}
		return conn, err //nolint:wrapcheck // dial names the address
	}
	secure := &tls.Dialer{NetDialer: dialer, Config: c.access.tls} // it checks the name that it dials
	return secure.DialContext(ctx, network, address)               //nolint:wrapcheck // as above
}

// explain adds what is known of why a broker is not available.
func (c *Client) explain(err error) error {
	if !errors.Is(err, kafka.BrokerNotAvailable) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.unreachable != nil:
		return fmt.Errorf("%w (%w)", err, c.unreachable)
	case c.access.mechanism != nil:
		return fmt.Errorf("%w (a connection stands, so the mechanism %s, the user or the password may be refused)", err, c.access.mechanism.Name())
	default:
		return err
	}
}

// trackedConn takes itself off its client's list when it is closed.
type trackedConn struct {
	net.Conn

	client *Client
}

// Close closes the connection.
func (t *trackedConn) Close() error {
	t.client.mu.Lock()
	delete(t.client.conns, t)
	t.client.mu.Unlock()
	return t.Conn.Close()
}

// Close ends every connection; calls that are under way fail.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	open := make([]net.Conn, 0, len(c.conns))
	for conn := range c.conns {
		open = append(open, conn)
	}
	c.mu.Unlock()
	c.end()
	c.link.Load().transport.CloseIdleConnections()
	for _, conn := range open {
		_ = conn.Close()
	}
}

// CreateTopics makes the topics touches, orders and ledger where they are missing, each of the given number of
// partitions, kept for retention, with the broker's own number of replicas. Time stamps stay the producer's. It is an
// error when a topic exists with another number of partitions, because keys would then belong to other partitions.
func (c *Client) CreateTopics(ctx context.Context, partitions int, retention time.Duration) error {
	request := &kafka.CreateTopicsRequest{}
	for _, t := range Topics() {
		request.Topics = append(request.Topics, kafka.TopicConfig{
			Topic:             c.prefix + t,
			NumPartitions:     partitions,
			ReplicationFactor: -1,
			ConfigEntries: []kafka.ConfigEntry{
				{ConfigName: "cleanup.policy", ConfigValue: "delete"},
				{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(retention.Milliseconds(), 10)},
			},
		})
	}
	response, err := c.link.Load().admin.CreateTopics(ctx, request)
	if err != nil {
		return fmt.Errorf("creating topics: %w", c.explain(err))
	}
	for topic, err := range response.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("creating topic %s: %w", topic, err)
		}
	}
	for _, t := range Topics() {
		if err := c.awaitTopic(ctx, c.prefix+t, partitions); err != nil {
			return err
		}
	}
	return nil
}

// awaitTopic waits until the leader of each partition of a topic is known and serves it: Kafka makes topics in its own
// time, and Apache Kafka names a leader some milliseconds before it is one.
func (c *Client) awaitTopic(ctx context.Context, topic string, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, topicLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := c.link.Load().admin.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err == nil && len(response.Topics) == 1 && response.Topics[0].Error == nil {
			found := response.Topics[0].Partitions
			if len(found) != partitions {
				return fmt.Errorf("topic %s has %d partitions, but %d are configured: a topic keeps its number; set it back, or give the new topics another prefix",
					topic, len(found), partitions)
			}
			if led(found) {
				if err = c.serves(ctx, topic, partitions); err == nil {
					return nil
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for topic %s: %w", topic, errors.Join(ctx.Err(), err))
		}
	}
}

// serves tells whether each partition's leader answers for it.
func (c *Client) serves(ctx context.Context, topic string, partitions int) error {
	asked := make([]kafka.OffsetRequest, 0, partitions)
	for p := range partitions {
		asked = append(asked, kafka.LastOffsetOf(p))
	}
	response, err := c.link.Load().admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
	if err != nil {
		return err //nolint:wrapcheck // the caller names the topic
	}
	for _, p := range response.Topics[topic] {
		if p.Error != nil {
			return p.Error
		}
	}
	return nil
}

func led(partitions []kafka.Partition) bool {
	for _, p := range partitions {
		if p.Error != nil || p.Leader.Host == "" {
			return false
		}
	}
	return true
}

// Offsets tells the first offset that a partition still holds, and its end: the offset that the next record will get.
func (c *Client) Offsets(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	name := c.prefix + topic
	response, err := c.link.Load().admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{name: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("asking for the offsets of %s/%d: %w", name, partition, c.explain(err))
	}
	for _, p := range response.Topics[name] {
		if p.Partition != partition {
			continue
		}
		if p.Error != nil {
			return 0, 0, fmt.Errorf("asking for the offsets of %s/%d: %w", name, partition, p.Error)
		}
		return p.FirstOffset, p.LastOffset, nil
	}
	return 0, 0, fmt.Errorf("asking for the offsets of %s/%d: the answer does not name them", name, partition)
}
