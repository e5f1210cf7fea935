package demo

import (
	"context"
	"fmt"
	randv2 "math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"

	"tributary/partners"
)

// traffic is the demo's visitors: they follow links over HTTP, and some of them buy.
type traffic struct {
	network []*castMerchant
	shop    *Shop
	random  *randv2.Rand
	client  *http.Client
	orders  int64
	// looking holds the click ids of who came to a merchant and has not bought, the latest maxLooking of them.
	looking map[*castMerchant][]string
	// known are the cookies of who came to a merchant: some come again.
	known map[*castMerchant][]http.CookieJar
}

// maxLooking lets a visitor look around for some minutes before buying.
const maxLooking = 64

// Visit sends visitors until ctx ends: they follow links of the tracker that the shop reports to, and some of them buy.
func (n *Network) Visit(ctx context.Context, s *Shop) { newTraffic(n.merchants, s).run(ctx) }

func newTraffic(network []*castMerchant, s *Shop) *traffic {
	return &traffic{
		network: network, shop: s, orders: time.Now().UnixMilli(), looking: map[*castMerchant][]string{}, known: map[*castMerchant][]http.CookieJar{},
		random: randv2.New(randv2.NewPCG(uint64(time.Now().UnixNano()), 1)), //nolint:gosec // whose visit it is need not be secret
		client: &http.Client{
			Timeout:       5 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// run visits once a second until ctx ends. Every 16 seconds somebody buys: one who came through a link, and one who did
// not, in turn. More would soon dwarf the history in every chart.
func (t *traffic) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		m := t.network[t.random.IntN(len(t.network))]
		if clickID := t.visit(ctx, m); clickID != "" {
			t.looking[m] = append(t.looking[m], clickID)
			t.looking[m] = t.looking[m][max(0, len(t.looking[m])-maxLooking):]
		}
		switch {
		case n%32 == 0:
			t.buy(ctx, m, "")
		case n%16 == 0:
			t.buy(ctx, m, t.decide(m))
		}
	}
}

// visit follows a link and gives the click id that the shop would receive, "" when there is none. Traffic that fails is
// traffic that did not come: the demo goes on.
func (t *traffic) visit(ctx context.Context, m *castMerchant) string {
	if len(m.links) == 0 {
		return ""
	}
	link := m.links[t.random.IntN(len(m.links))]
	address := t.shop.tracker + "/c/" + link.link.Code
	if placement := pick(t.random, placements()); placement != "" {
		address += "?sub1=" + url.QueryEscape(placement)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return ""
	}
	request.Header.Set("User-Agent", pick(t.random, agents()))
	if link.partner.site != "" {
		request.Header.Set("Referer", link.partner.site)
	}
	visitor := *t.client
	visitor.Jar = t.visitor(m)
	response, err := visitor.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	landing, err := response.Location()
	if err != nil {
		return ""
	}
	return landing.Query().Get(partners.DefaultClickParam)
}

// visitor gives the cookies of somebody who comes to a merchant: one in three was there before.
func (t *traffic) visitor(m *castMerchant) http.CookieJar {
	if n := len(t.known[m]); n > 0 && t.random.IntN(3) == 0 {
		return t.known[m][t.random.IntN(n)]
	}
	jar, _ := cookiejar.New(nil) // gives no error
	t.known[m] = append(t.known[m], jar)
	t.known[m] = t.known[m][max(0, len(t.known[m])-maxLooking):]
	return jar
}

// decide gives the click id of one who looks around at a merchant and now buys, "" when nobody does.
func (t *traffic) decide(m *castMerchant) string {
	if len(t.looking[m]) == 0 {
		return ""
	}
	i := t.random.IntN(len(t.looking[m]))
	clickID := t.looking[m][i]
	t.looking[m] = slices.Delete(t.looking[m], i, i+1)
	return clickID
}

func (t *traffic) buy(ctx context.Context, m *castMerchant, clickID string) {
	t.orders++
	currency := m.currencies[t.random.IntN(len(m.currencies))]
	p := &purchase{
		merchant: m, currency: currency, id: fmt.Sprintf("%s-%d", m.orderPrefix, t.orders),
		customer: fmt.Sprintf("c%04d", t.random.IntN(m.customers)), lines: drawLines(t.random, m, currency),
	}
	t.shop.report(ctx, p, clickID) //nolint:errcheck // an order that failed is one that did not come
}
