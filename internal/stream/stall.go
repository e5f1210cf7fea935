package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// stalledAfter is for how long requests of one kind may fail on a partition before the client starts over. kafka-go has
// stayed with what it knew of a cluster that had changed, for hours (its issues 387, 955 and 1150); a new transport costs
// nothing.
const stalledAfter = 30 * time.Second

// place is a partition and what is done there.
type place struct {
	name      string
	partition int
	key       protocol.ApiKey
}

// stalls remembers since when places fail.
type stalls struct {
	mu      sync.Mutex
	failing map[place]time.Time
	renewed time.Time
	limit   time.Duration // stalledAfter; tests cannot wait for it
}

// notice takes note of how a request went. Where none has succeeded for long, the client gets a new link to the cluster;
// requests that are under way elsewhere keep the old one.
func (c *Client) notice(ctx context.Context, at place, err error) {
	if !c.stalls.due(at, err, ctx.Err() != nil, time.Now()) {
		return
	}
	old := c.link.Load()
	c.link.Store(c.newLink())
	old.transport.CloseIdleConnections()
	c.log.Warn("Kafka requests have failed for long; refreshing the cluster's metadata", "topic", at.name, "partition", at.partition, "request", at.key.String(), "error", err)
}

// due tells whether a new link is called for.
func (s *stalls) due(at place, err error, abandoned bool, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || answered(err) {
		delete(s.failing, at)
		return false
	}
	since, known := s.failing[at]
	switch {
	case abandoned: // the caller has given up, which says nothing about Kafka
		return false
	case !known:
		s.failing[at] = now
		return false
	case now.Sub(since) < s.limit || now.Sub(s.renewed) < s.limit:
		return false
	}
	s.renewed = now
	return true
}

// answered tells whether an error is the leader's own word on the request.
func answered(err error) bool {
	var gap *GapError
	return IsPermanent(err) || errors.Is(err, kafka.OffsetOutOfRange) || errors.As(err, &gap)
}
