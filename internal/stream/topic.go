package stream

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadataVersion is the first that tells a topic's id: Kafka 2.8 and later know it, and kafka-go does not.
const metadataVersion = 10

// Log tells the id that Kafka gave the topic when it was made: one that was deleted and made again under the same name has
// another, and its offsets are not those of the old one. It is empty where the brokers know no ids (before Kafka 2.8).
func (c *Client) Log(ctx context.Context, topic string) (id string, err error) {
	name := c.prefix + topic
	answer, err := c.askTopic(ctx, name)
	if errors.Is(err, kafka.UnsupportedVersion) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("asking for the id of %s: %w", name, c.explain(err))
	}
	if answer.TopicID == [16]byte{} {
		return "", nil
	}
	return hex.EncodeToString(answer.TopicID[:]), nil
}

// askTopic asks for what kafka-go does not tell of a topic: its id, and what one may do with it.
func (c *Client) askTopic(ctx context.Context, name string) (topic kmsg.MetadataResponseTopic, err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	request.Version = metadataVersion
	request.IncludeTopicAuthorizedOperations = true
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &name
	request.Topics = append(request.Topics, asked)
	e := &identity{exchange{key: protocol.Metadata, version: metadataVersion, topic: name}}
	e.request = append(appendHead(nil, protocol.Metadata, metadataVersion), 0) // no tagged fields in the header
	e.request = request.AppendTo(e.request)
	sized(e.request)
	link := c.link.Load()
	if _, err := link.transport.RoundTrip(ctx, link.admin.Addr, e); err != nil {
		return topic, err //nolint:wrapcheck // the caller names the topic
	}
	answer := kmsg.NewPtrMetadataResponse()
	answer.Version = metadataVersion
	if len(e.response) == 0 {
		return topic, errShort
	}
	if err := answer.ReadFrom(e.response[1:]); err != nil { // behind the header's tagged fields, of which there are none
		return topic, fmt.Errorf("reading answer: %w", err)
	}
	if len(answer.Topics) != 1 {
		return topic, fmt.Errorf("reading answer: it speaks of %d topics", len(answer.Topics))
	}
	if code := kafka.Error(answer.Topics[0].ErrorCode); code != 0 {
		return topic, code
	}
	return answer.Topics[0], nil
}

// identity is an exchange about a topic's id. kafka-go has settled with the broker on the versions that it knows itself, so
// the broker is asked once more which ones it knows.
type identity struct{ exchange }

// RawExchange asks for the versions, and then for the topic.
func (e *identity) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	question := appendHead(nil, protocol.ApiVersions, 0)
	sized(question)
	response, err := converse(rw, question)
	if err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrApiVersionsResponse()
	if err := answer.ReadFrom(response); err != nil {
		return nil, fmt.Errorf("reading versions: %w", err)
	}
	e.supported = 0
	for _, k := range answer.ApiKeys {
		if k.ApiKey == int16(e.key) {
			e.supported = k.MaxVersion
		}
	}
	return e.exchange.RawExchange(rw)
}
