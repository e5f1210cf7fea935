package loader

import (
	"tributary/internal/event"
	"tributary/internal/stream"
)

const touchColumns = "kind, merchant_id, program_id, partner_id, link_id, click_id, marks, sub1, sub2, sub3, sub4, sub5, " +
	"referrer, user_agent, ip_prefix, browser, os, device, bot, path, country, channel"

// kindClick is the value of touch.kind for a click. 2 stands for an impression, which nothing writes yet.
const kindClick int8 = 1

// touches are rows of the table touch.
type touches struct {
	head

	kinds                                []int8
	merchants, programs, partners, links []int64
	marks                                []uint32
	clicks                               []string
	sub1, sub2, sub3, sub4, sub5         []string
	referrers, agents, addresses         []string
	browsers, systems, devices, bots     []string
	countries, channels                  []string
	paths                                [][]string
}

func (t *touches) add(e *event.Event, r *stream.Record) error {
	if err := checkTimes(e.GetReceivedAt(), e.GetOccurredAt()); err != nil {
		return err
	}
	switch body := e.GetBody().(type) {
	case *event.Event_Click:
		t.addClick(body.Click)
	default:
		return misplaced(e, event.Touches)
	}
	t.head.add(e, r)
	return nil
}

func (t *touches) addClick(c *event.Click) {
	t.kinds = append(t.kinds, kindClick)
	t.merchants = append(t.merchants, c.GetMerchantId())
	t.programs = append(t.programs, c.GetProgramId())
	t.partners = append(t.partners, c.GetPartnerId())
	t.links = append(t.links, c.GetLinkId())
	t.clicks = append(t.clicks, c.GetClickId())
	t.marks = append(t.marks, c.GetMarks())
	t.sub1 = append(t.sub1, c.GetSub1())
	t.sub2 = append(t.sub2, c.GetSub2())
	t.sub3 = append(t.sub3, c.GetSub3())
	t.sub4 = append(t.sub4, c.GetSub4())
	t.sub5 = append(t.sub5, c.GetSub5())
	t.referrers = append(t.referrers, c.GetReferrer())
	t.agents = append(t.agents, c.GetUserAgent())
	t.addresses = append(t.addresses, c.GetIpPrefix())
	t.browsers = append(t.browsers, c.GetBrowser())
	t.systems = append(t.systems, c.GetOs())
	t.devices = append(t.devices, c.GetDevice())
	t.bots = append(t.bots, c.GetBot())
	t.paths = append(t.paths, c.GetPath())
	t.countries = append(t.countries, c.GetCountry())
	t.channels = append(t.channels, c.GetChannel())
}

func (t *touches) columns(dst []any, a, z int) []any {
	return append(t.head.columns(dst, a, z), t.kinds[a:z], t.merchants[a:z], t.programs[a:z], t.partners[a:z], t.links[a:z],
		t.clicks[a:z], t.marks[a:z], t.sub1[a:z], t.sub2[a:z], t.sub3[a:z], t.sub4[a:z], t.sub5[a:z],
		t.referrers[a:z], t.agents[a:z], t.addresses[a:z], t.browsers[a:z], t.systems[a:z], t.devices[a:z], t.bots[a:z], t.paths[a:z], t.countries[a:z], t.channels[a:z])
}

func (t *touches) reset() {
	t.head.reset()
	t.kinds, t.marks = t.kinds[:0], t.marks[:0]
	t.merchants, t.programs, t.partners, t.links = t.merchants[:0], t.programs[:0], t.partners[:0], t.links[:0]
	forget(&t.clicks, &t.sub1, &t.sub2, &t.sub3, &t.sub4, &t.sub5, &t.referrers, &t.agents, &t.addresses,
		&t.browsers, &t.systems, &t.devices, &t.bots, &t.countries, &t.channels)
	clear(t.paths)
	t.paths = t.paths[:0]
}
