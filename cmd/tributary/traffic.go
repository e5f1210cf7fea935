package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/fnv"
	randv2 "math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/tracker"
	"tributary/tracker/clickid"
)

// historySender sends the demo's past through the intake, judged as live visits are.
type historySender struct {
	bulk   *tracker.Bulk
	intake *tracker.Intake
	ring   *clickid.Ring
	// stored is how many of the facts to come were stored by an earlier run. What follows from them is worked out again.
	stored int
}

func (h *historySender) send(ctx context.Context, f fact) error {
	known := h.stored > 0
	if known {
		h.stored--
	}
	switch {
	case f.visit != nil:
		return h.sendVisit(ctx, f.visit, known)
	case known:
		return nil
	case f.purchase != nil:
		return h.sendPurchase(ctx, f.purchase)
	default:
		t := f.takeback
		report := &tracker.RefundReport{
			OrderID: t.purchase.id, RefundID: t.id, Reason: "returned", OccurredAt: t.at, EventID: eventID("demo refund", t.id, t.at), WholeOrder: t.whole,
		}
		if !t.whole {
			report.Items = []tracker.RefundItem{{Line: 1, Quantity: 1}}
		}
		_, err := h.bulk.Refund(ctx, t.purchase.merchant.id, report)
		return err
	}
}

func (h *historySender) sendVisit(ctx context.Context, v *visit, known bool) error {
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%d/%s/%s/%s", v.link.link.ID, v.at.Format(time.RFC3339Nano), v.ip, v.agent)
	ip, err := netip.ParseAddr(v.ip)
	if err != nil {
		return fmt.Errorf("reading an address: %w", err)
	}
	click := h.intake.Judge(v.link.link, tracker.Visit{
		At: v.at, IP: ip, UserAgent: v.agent, Referrer: v.referrer, Subs: [5]string{v.sub1},
	})
	click.ID = h.ring.MintAs(int64(v.link.link.ID), v.at, [8]byte(sum.Sum(nil)))
	click.EventID = eventID("demo click", click.ID, v.at)
	if click.Earns() {
		v.clickID = click.ID
	}
	if known {
		return nil
	}
	_, err = h.bulk.Click(ctx, click)
	return err
}

func (h *historySender) sendPurchase(ctx context.Context, p *purchase) error {
	report := &tracker.SaleReport{
		OrderID: p.id, Currency: p.currency, CustomerID: p.customer, Coupon: p.coupon, OccurredAt: p.at,
		EventID: eventID("demo sale", p.id, p.at),
	}
	if p.visit != nil {
		report.ClickID = p.visit.clickID
	}
	for i, l := range p.lines {
		report.Amount += l.amount
		report.Lines = append(report.Lines, tracker.Line{
			Number: int64(i + 1), SKU: l.goods.sku, Quantity: l.quantity, Amount: l.amount, Category: l.goods.category,
		})
	}
	_, err := h.bulk.Sale(ctx, p.merchant.id, report)
	return err
}

// traffic is the demo's visitors: they follow links over HTTP, and some of them buy.
type traffic struct {
	network []*demoMerchant
	shop    *shop
	random  *randv2.Rand
	client  *http.Client
	orders  int64
	// looking holds the click ids of who came to a merchant and has not bought, the latest maxLooking of them.
	looking map[*demoMerchant][]string
}

// maxLooking lets a visitor look around for some minutes before buying.
const maxLooking = 64

func newTraffic(network []*demoMerchant, s *shop) *traffic {
	return &traffic{
		network: network, shop: s, orders: time.Now().UnixMilli(), looking: map[*demoMerchant][]string{},
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
func (t *traffic) visit(ctx context.Context, m *demoMerchant) string {
	if len(m.links) == 0 {
		return ""
	}
	link := m.links[t.random.IntN(len(m.links))]
	address := t.shop.tracker + "/c/" + link.link.Code
	if placement := pick(t.random, demoPlacements()); placement != "" {
		address += "?sub1=" + url.QueryEscape(placement)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return ""
	}
	request.Header.Set("User-Agent", pick(t.random, demoAgents()))
	if link.partner.site != "" {
		request.Header.Set("Referer", link.partner.site)
	}
	response, err := t.client.Do(request)
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

// decide gives the click id of one who looks around at a merchant and now buys, "" when nobody does.
func (t *traffic) decide(m *demoMerchant) string {
	if len(t.looking[m]) == 0 {
		return ""
	}
	i := t.random.IntN(len(t.looking[m]))
	clickID := t.looking[m][i]
	t.looking[m] = slices.Delete(t.looking[m], i, i+1)
	return clickID
}

func (t *traffic) buy(ctx context.Context, m *demoMerchant, clickID string) {
	t.orders++
	currency := m.currencies[t.random.IntN(len(m.currencies))]
	p := &purchase{
		merchant: m, currency: currency, id: fmt.Sprintf("%s-%d", m.orderPrefix, t.orders),
		customer: fmt.Sprintf("c%04d", t.random.IntN(1400)), lines: drawLines(t.random, m, currency),
	}
	t.shop.report(ctx, p, clickID) //nolint:errcheck // an order that failed is one that did not come
}

// awaitReady waits until tracker and dashboard answer.
func (d *demo) awaitReady(ctx context.Context) error {
	for _, address := range []string{d.cfg.trackerURL() + "/healthz", d.cfg.dashboardURL() + "/signin"} {
		for {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
			if err != nil {
				return fmt.Errorf("asking %s: %w", address, err)
			}
			response, err := http.DefaultClient.Do(request)
			if err == nil {
				_ = response.Body.Close()
				if response.StatusCode == http.StatusOK {
					break
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for %s: %w", address, ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// announce prints where everything is.
func (d *demo) announce(s stores) error {
	brokers := strings.Join(s.kafka.Brokers, ",")
	link := ""
	if links := d.network[0].links; len(links) > 0 {
		link = d.cfg.trackerURL() + "/c/" + links[0].link.Code
	}
	if d.json {
		return json.NewEncoder(d.out).Encode(struct { //nolint:gosec // G117: to tell the password is what it is for
			Tracker     string      `json:"tracker"`
			Dashboard   string      `json:"dashboard"`
			Shop        string      `json:"shop"`
			MerchantKey string      `json:"merchant_key"`
			Link        string      `json:"link"`
			Logins      []demoLogin `json:"logins"`
			Postgres    string      `json:"postgres"`
			Kafka       string      `json:"kafka"`
			User        string      `json:"kafka_user"`
			Password    string      `json:"kafka_password"`
			Mechanism   string      `json:"kafka_mechanism"`
			ClickHouse  string      `json:"clickhouse"`
		}{
			d.cfg.trackerURL(), d.cfg.dashboardURL(), d.shopURL, d.network[0].key, link, d.state.Logins,
			s.postgres[postgres.Reader.Name()], brokers, s.kafka.User, s.kafka.Password, s.kafka.Mechanism, s.clickhouse[clickhouse.Reader.Name()],
		})
	}
	d.sayf("ready")
	fmt.Fprintf(d.out, "\nTributary demo: a network with 3 merchants, 40 partners and live traffic.\n\n")
	fmt.Fprintf(d.out, "  Dashboard    %s\n", d.cfg.dashboardURL())
	for _, l := range d.state.Logins {
		fmt.Fprintf(d.out, "    %-10s %-24s %s\n", l.Role, l.Email, l.Password)
	}
	fmt.Fprintf(d.out, "  A link       %s\n    (leads to %s's demo shop; buy something and look at the partner's page)\n", link, d.network[0].name)
	fmt.Fprintf(d.out, "  Tracker      %s\n  API key      %s   (%s)\n", d.cfg.trackerURL(), d.network[0].key, d.network[0].name)
	fmt.Fprintf(d.out, "  PostgreSQL   %s (reads every row, changes none)\n  Kafka        %s (one broker, no replicas: for one machine)\n  ClickHouse   %s (the same)\n", s.postgres[postgres.Reader.Name()], brokers, s.clickhouse[clickhouse.Reader.Name()])
	if len(d.cfg.KafkaBrokers) == 0 {
		fmt.Fprintf(d.out, "    kcat -b %s -X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=%s -X sasl.username=%s -X sasl.password=%s -t %s%s -C -e\n",
			brokers, s.kafka.Mechanism, s.kafka.User, s.kafka.Password, s.kafka.Prefix, event.Orders)
	}
	fmt.Fprintf(d.out, "  Data         %s\n\nCtrl-C stops everything. The same command goes on where it was.\n", d.cfg.Data)
	return nil
}

// randomPassword is easy to copy and hard to guess.
func randomPassword() string { return strings.ToLower(rand.Text()[:16]) }
