package tracker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"tributary/internal/event"
	"tributary/partners/catalogue"
	"tributary/tracker/clickid"
	"tributary/tracker/country"
	"tributary/tracker/spool"
)

// Intake makes events of what visitors do and merchants report, and appends them to the spool. It is the tracker apart
// from HTTP, and safe for concurrent use.
type Intake struct {
	catalogue  *catalogue.Catalogue
	spool      *spool.Spool
	ring       *clickid.Ring
	partitions int
	storeWait  time.Duration
	now        func() time.Time

	agents  *agents
	country *country.Database
	repeats *repeats
	scratch sync.Pool    // of *scratch
	last    atomic.Int64 // the latest received_at
}

// rememberedAgents bounds the agents whose reading is remembered: at 512 bytes each some 10 MB.
const rememberedAgents = 16 << 10

// NewIntake makes an intake without the HTTP edge around it.
func NewIntake(cfg Config) (*Intake, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	agents, err := newAgents(rememberedAgents)
	if err != nil {
		return nil, fmt.Errorf("making the memory of agents: %w", err)
	}
	in := &Intake{
		catalogue: cfg.Catalogue, spool: cfg.Spool, ring: cfg.Ring, partitions: cfg.Partitions,
		storeWait: cfg.StoreWait, now: cfg.Now, agents: agents, country: cfg.Country, repeats: newRepeats(cfg.DuplicateWindow),
	}
	in.scratch.New = func() any { return newScratch() }
	return in, nil
}

// scratch is the memory in which one click becomes an event.
type scratch struct {
	event event.Event
	body  event.Event_Click
	click event.Click
	id    uuid.UUID
	buf   []byte
	timer *time.Timer
}

func newScratch() *scratch {
	s := &scratch{timer: time.NewTimer(time.Hour)}
	s.timer.Stop()
	s.body.Click = &s.click
	s.event.Body = &s.body
	return s
}

// received is the time of receipt for the next event, microseconds: the clock's, but never before the last one.
func (in *Intake) received() int64 {
	for {
		last, now := in.last.Load(), event.Micros(in.now())
		if now <= last {
			return last
		}
		if in.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

// encode writes the event behind buf[:0].
func encode(e *event.Event, buf []byte) ([]byte, error) {
	size := e.SizeVT()
	buf = slices.Grow(buf[:0], size)[:size]
	if _, err := e.MarshalToSizedBufferVT(buf); err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	return buf, nil
}

// identify gives the id that was stated, or a fresh UUIDv7 of the time of receipt. It need only be unique, so it takes its
// 74 random bits from the runtime's generator, at a twentieth of what asking the kernel costs.
func identify(stated uuid.UUID, received int64) uuid.UUID {
	if stated != uuid.Nil {
		return stated
	}
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[0:], uint64(received/1000)<<16|rand.Uint64()>>48) //nolint:gosec // see above
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())                               //nolint:gosec // see above
	id[6] = id[6]&0x0f | 0x70                                                       // version 7
	id[8] = id[8]&0x3f | 0x80                                                       // the variant of RFC 9562
	return id
}

// touchLane is the lane of a click, and orderLane that of everything about one order.
func (in *Intake) touchLane(clickID string) int {
	return event.Lane([]byte(clickID), in.partitions)
}

func (in *Intake) orderLane(e *event.Event) int {
	return in.partitions + event.Lane(e.Fact().Key(), in.partitions)
}

// wait waits for a record to be durable, for at most limit, or until gone is closed.
func (s *scratch) wait(ticket spool.Ticket, limit time.Duration, gone <-chan struct{}) error {
	s.timer.Reset(limit)
	defer s.timer.Stop()
	select {
	case <-ticket.Done():
		return ticket.Err()
	case <-s.timer.C:
		return spool.ErrLate
	case <-gone:
		return spool.ErrLate
	}
}

// Bulk appends many records and waits for the disk once. Its records give way early on a full disk (spool.Bulk), and wait
// where live ones would be turned away. A Bulk serves one goroutine.
type Bulk struct {
	in   *Intake
	buf  []byte
	open []spool.Ticket // of groups not yet known to be durable, oldest first
}

// openGroups bounds the groups that a Bulk has under way.
const openGroups = 8

// Bulk begins a bulk of records.
func (in *Intake) Bulk() *Bulk { return &Bulk{in: in} }

// append hands a record to the spool, and waits for earlier ones when it is busy.
func (b *Bulk) append(ctx context.Context, lane int, payload []byte) error {
	for {
		ticket, err := b.in.spool.Append(lane, spool.Bulk, payload)
		switch {
		case err == nil:
			if n := len(b.open); n == 0 || b.open[n-1] != ticket {
				b.open = append(b.open, ticket)
			}
			if len(b.open) > openGroups {
				return b.awaitOldest(ctx)
			}
			return nil
		case !errors.Is(err, spool.ErrBusy):
			return fmt.Errorf("appending to the spool: %w", err)
		case len(b.open) > 0:
			if err := b.awaitOldest(ctx); err != nil {
				return err
			}
		default: // others fill it
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
	}
}

// awaitOldest waits for the oldest group.
func (b *Bulk) awaitOldest(ctx context.Context) error {
	oldest := b.open[0]
	b.open = slices.Delete(b.open, 0, 1)
	if err := oldest.Wait(ctx); err != nil {
		return fmt.Errorf("storing a bulk of events: %w", err)
	}
	return nil
}

// Wait returns nil when all records since the last Wait are durable. After an error it is unknown which are.
func (b *Bulk) Wait(ctx context.Context) error {
	for len(b.open) > 0 {
		if err := b.awaitOldest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ImportID is the id of an event of an import: a UUIDv7 of its own time, the same whenever it is sent.
func ImportID(kind, name string, at time.Time) uuid.UUID {
	sum := uuid.NewSHA1(uuid.NameSpaceURL, []byte("tributary:replay:"+kind+":"+name))
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli())<<16)
	copy(id[6:], sum[6:])
	id[6] = id[6]&0x0f | 0x70
	return id
}
