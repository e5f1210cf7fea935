package stream

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"tributary/internal/event"
)

// GapError says that a partition's log does not go on where it should: Kafka has lost, expired or compacted records,
// or the topic was recreated. First and End are what the partition holds, where they are known (End is -1 if not).
type GapError struct {
	Topic      string
	Partition  int
	Want, Next int64
	First, End int64
}

// Error names the partition and the offsets.
func (e *GapError) Error() string {
	if e.End >= 0 {
		return fmt.Sprintf("%s/%d holds offsets %d to %d, but %d is the next to read", e.Topic, e.Partition, e.First, e.End-1, e.Want)
	}
	return fmt.Sprintf("%s/%d goes on at offset %d, but %d is the next to read", e.Topic, e.Partition, e.Next, e.Want)
}

// RecreatedError says that a topic was deleted and created again since it was last read: an offset names another record now.
type RecreatedError struct {
	Topic     string
	Partition int
	Was, Is   string // as Log gives them
}

// Error names the topic and its ids.
func (e *RecreatedError) Error() string {
	return fmt.Sprintf("topic %s was recreated: its id was %s and is %s, so that the next offset to read of partition %d names another record now", e.Topic, e.Was, e.Is, e.Partition)
}

// ErrForeign says that a record is genuine, and of a version that wrote another format.
var ErrForeign = errors.New("it is not in format " + event.Format + ", which this version reads")

// IsPermanent tells whether Kafka refused a request in a way that sending it again does not cure: its size, its
// topic, a right, its time stamp. Every other error of Produce leaves the outcome unknown.
func IsPermanent(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidTopic, kafka.InvalidRequiredAcks,
		kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
		kafka.InvalidTimestamp, kafka.UnsupportedVersion, kafka.InvalidRequest, kafka.UnsupportedForMessageFormat,
		kafka.PolicyViolation, kafka.SecurityDisabled, kafka.UnsupportedCompressionType, kafka.InvalidRecord:
		return true
	default:
		return false
	}
}

// IsTooLarge tells whether Kafka refused a request because of its size alone, so that a part of it may pass.
func IsTooLarge(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}
