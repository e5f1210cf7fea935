package tracker

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"tributary/internal/event"
	"tributary/partners"
	"tributary/tracker/spool"
)

// Visit is what is known of whoever followed a link.
type Visit struct {
	At        time.Time
	IP        netip.Addr
	UserAgent string
	// Referrer is the address of the page that the link stood on.
	Referrer string
	// Subs are the partner's own marks, sub1 to sub5.
	Subs [5]string
	// Embedded says that the browser asked for an image, a frame or a script, and nobody navigated.
	Embedded bool
}

// Click is a visit that was judged, ready to be recorded.
type Click struct {
	Link *partners.Link
	At   time.Time
	// Marks say why it does not count, as bits of event.Mark...; 0 counts.
	Marks     uint32
	Agent     Agent
	UserAgent string
	// Referrer is host and path.
	Referrer string
	// IPPrefix is the network that the visitor came from, the address cut off.
	IPPrefix string
	// Country is where the visitor's address is, two letters of ISO 3166-1; empty where that is not known.
	Country string
	Subs    [5]string
	// Path are the ids of the visitor's earlier clicks that led to the same merchant, oldest first, as far as they are known.
	Path []string
	// Channel says who reports a click that no redirect has seen, as event.Click does: that makes it a soft one. Empty for a redirect.
	Channel string

	// ID is the click id; a fresh one is minted when it is empty.
	ID string
	// EventID is minted when it is zero. The same click told again keeps it.
	EventID uuid.UUID
}

// Judge reads the agent of a visit, marks what does not count, and cuts off what must not be kept.
func (in *Intake) Judge(link *partners.Link, v Visit) Click {
	c := Click{
		Link: link, At: v.At, Agent: in.agents.of(v.UserAgent), UserAgent: plain(v.UserAgent, maxAgent),
		Referrer: referrer(v.Referrer), IPPrefix: networkOf(v.IP), Country: in.country.Of(v.IP), Subs: v.Subs,
	}
	switch {
	case c.Agent.Bot != "":
		c.Marks |= event.MarkBot
	case v.Embedded:
	case in.repeats.seen(link.ID, v.IP, cut(v.UserAgent, maxAgent), v.At):
		c.Marks |= event.MarkDuplicate
	}
	if v.Embedded {
		c.Marks |= event.MarkEmbedded
	}
	return c
}

// Earns tells whether the visitor is given the click id. An embedded request is not: nobody chose to go anywhere, so its
// id must never come back with an order. Nor is who follows the link of a partner who is not in the program. A program's visit
// does not count, but its id is given: an order that comes back with it is one that the merchant itself reports, and whoever
// tries a link with curl should see what a visitor gets.
func (c *Click) Earns() bool { return c.Marks&(event.MarkEmbedded|event.MarkNotEnrolled) == 0 }

// Click records a click and waits for it to be durable, for at most wait. The id is good whatever the error says: an
// error means that the record is not known to be stored.
func (in *Intake) Click(c Click, wait time.Duration) (id string, err error) {
	s := in.scratch.Get().(*scratch) //nolint:forcetypeassert // the pool holds nothing else
	defer in.scratch.Put(s)
	id, err = in.encodeClick(s, &c)
	if err != nil {
		return id, err
	}
	ticket, err := in.spool.Append(in.touchLane(id), spool.Live, s.buf)
	if err != nil {
		return id, fmt.Errorf("appending a click: %w", err)
	}
	return id, ticket.WaitWithin(wait)
}

// Click appends a click. Its time may be any; it is recorded as it stands, without being judged.
func (b *Bulk) Click(ctx context.Context, c Click) (id string, err error) {
	s := b.in.scratch.Get().(*scratch) //nolint:forcetypeassert // the pool holds nothing else
	defer b.in.scratch.Put(s)
	id, err = b.in.encodeClick(s, &c)
	if err != nil {
		return id, err
	}
	return id, b.append(ctx, b.in.touchLane(id), s.buf)
}

// encodeClick writes the click's event to s.buf.
func (in *Intake) encodeClick(s *scratch, c *Click) (id string, err error) {
	switch id = c.ID; {
	case id == "" && c.Channel != "":
		id = in.ring.MintSoft(int64(c.Link.ID), c.At)
	case id == "":
		id = in.ring.Mint(int64(c.Link.ID), c.At)
	}
	s.event.ReceivedAt = in.received()
	s.id = identify(c.EventID, s.event.GetReceivedAt())
	s.event.Id = s.id[:]
	s.event.OccurredAt = event.Micros(c.At)
	k := &s.click
	k.ClickId = id
	k.MerchantId, k.ProgramId = int64(c.Link.Merchant), int64(c.Link.Program)
	k.PartnerId, k.LinkId = int64(c.Link.Partner), int64(c.Link.ID)
	k.Marks = c.Marks
	k.Sub1, k.Sub2, k.Sub3, k.Sub4, k.Sub5 = c.Subs[0], c.Subs[1], c.Subs[2], c.Subs[3], c.Subs[4]
	k.Referrer, k.UserAgent, k.IpPrefix = c.Referrer, c.UserAgent, c.IPPrefix
	k.Browser, k.Os, k.Device, k.Bot = c.Agent.Browser, c.Agent.OS, c.Agent.Device, c.Agent.Bot
	k.Path, k.Country, k.Channel = c.Path, c.Country, c.Channel
	s.buf, err = encode(&s.event, s.buf)
	return id, err
}
