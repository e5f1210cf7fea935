package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// The versions of the two requests that are written here by hand: Kafka 2.4 and later know both. See batch.go for why.
const (
	produceVersion = 8
	fetchVersion   = 11
)

const (
	clientID = "tributary"
	// maxResponse bounds what is taken from the wire for one request.
	maxResponse = 128 << 20
	// correlation is constant, since a connection of kafka-go carries one request at a time and is closed after any error.
	correlation = 1
)

// exchange is one request to the leader of a partition and its answer, as bytes. kafka-go routes it, connects,
// authenticates and keeps the connections; only the bytes are ours.
type exchange struct {
	key       protocol.ApiKey
	version   int16
	topic     string
	partition int32

	// request is complete, its size in front. It must not change before the answer is there, also when the caller has
	// given up.
	request []byte
	// response is what follows the correlation id.
	response  []byte
	supported int16
}

// ApiKey names the request.
func (e *exchange) ApiKey() protocol.ApiKey { return e.key } //nolint:staticcheck // kafka-go's interface spells it so

// Broker finds the partition's leader.
func (e *exchange) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	none := protocol.Broker{ID: -1}
	topic, ok := cluster.Topics[e.topic]
	if !ok {
		return none, protocol.NewErrNoTopic(e.topic)
	}
	partition, ok := topic.Partitions[e.partition]
	if !ok {
		return none, protocol.NewErrNoPartition(e.topic, e.partition)
	}
	leader, ok := cluster.Brokers[partition.Leader]
	if !ok {
		return none, protocol.NewErrNoLeader(e.topic, e.partition)
	}
	return leader, nil
}

// Required makes kafka-go leave the exchange to RawExchange.
func (e *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	e.supported = versions[e.key]
	return true
}

// RawExchange writes the request and reads the answer.
func (e *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if e.supported < e.version {
		return nil, fmt.Errorf("the broker speaks %s up to version %d, and version %d is needed (Kafka 2.4): %w",
			e.key, e.supported, e.version, kafka.UnsupportedVersion)
	}
	var err error
	e.response, err = converse(rw, e.request)
	return e, err
}

// converse writes one request and reads what follows the correlation id of its answer.
func converse(rw io.ReadWriter, request []byte) (response []byte, err error) {
	if _, err := rw.Write(request); err != nil {
		return nil, fmt.Errorf("writing request: %w", err)
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, fmt.Errorf("reading answer: %w", err)
	}
	size := int(binary.BigEndian.Uint32(head[:])) - 4
	if size < 0 || size > maxResponse || binary.BigEndian.Uint32(head[4:]) != correlation {
		return nil, fmt.Errorf("reading answer: %d bytes under number %d are not ours", size, binary.BigEndian.Uint32(head[4:]))
	}
	response = make([]byte, size)
	if _, err := io.ReadFull(rw, response); err != nil {
		return nil, fmt.Errorf("reading answer of %d bytes: %w", size, err)
	}
	return response, nil
}

// send runs the exchange. The deadline of ctx also bounds how long the connection may wait.
func (c *Client) send(ctx context.Context, e *exchange) error {
	sized(e.request)
	link := c.link.Load()
	_, err := link.transport.RoundTrip(ctx, link.admin.Addr, e)
	return err //nolint:wrapcheck // the callers name topic and partition
}

// sized writes the size of a request into the room in front of it.
func sized(request []byte) { binary.BigEndian.PutUint32(request, uint32(len(request)-4)) }

// appendHead begins a request: room for its size, then its header.
func appendHead(dst []byte, key protocol.ApiKey, version int16) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = appendInt16(dst, int16(key))
	dst = appendInt16(dst, version)
	dst = appendInt32(dst, correlation)
	return appendString(dst, clientID)
}

func appendInt16(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }

func appendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

func appendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

func appendString(dst []byte, s string) []byte {
	return append(appendInt16(dst, int16(len(s))), s...)
}

// errShort says that bytes end before they should.
var errShort = errors.New("the bytes end too early")

// scanner reads the fields of an answer. After the first that is not there, all others are zero and err is set.
type scanner struct {
	rest []byte
	err  error
}

func (s *scanner) take(n int) []byte {
	if s.err != nil || n < 0 || n > len(s.rest) {
		s.err = errShort
		return nil
	}
	taken := s.rest[:n:n]
	s.rest = s.rest[n:]
	return taken
}

func (s *scanner) int16() int16 {
	if b := s.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (s *scanner) int32() int32 {
	if b := s.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (s *scanner) int64() int64 {
	if b := s.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// text reads a string that may be null.
func (s *scanner) text() string { return string(s.take(max(int(s.int16()), 0))) }

// bytes reads bytes that may be null.
func (s *scanner) bytes() []byte { return s.take(max(int(s.int32()), 0)) }

// count reads the length of a list that may be null, whose elements have at least size bytes.
func (s *scanner) count(size int) int {
	n := max(int(s.int32()), 0)
	if n > len(s.rest)/size {
		s.err = errShort
		return 0
	}
	return n
}

// varint reads a zigzag varint.
func (s *scanner) varint() int64 {
	v, n := binary.Varint(s.rest)
	if n <= 0 {
		s.err = errShort
		s.rest = nil
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

// varbytes reads bytes behind their length as a varint; null is nil.
func (s *scanner) varbytes() []byte {
	n := s.varint()
	if n < 0 {
		return nil
	}
	if n > int64(len(s.rest)) {
		s.err = errShort
		return nil
	}
	return s.take(int(n))
}
