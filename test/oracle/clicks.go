package oracle

import (
	"hash/fnv"
	"strconv"
	"time"
)

// The partners are those of "50 partners `P00`...`P49` in one program: P00-P39 are sites, P40-P49 are member
// referrers", by number.
const (
	partnerCount = 50
	siteCount    = 40
)

func isSite(partner int) bool { return partner < siteCount }

// click is one visit of a customer through a partner's link.
type click struct {
	at      time.Time
	partner int
}

// clicksOf returns the clicks of a customer whose orders are given in the order of k.
//
// "A customer's orders are numbered k = 1, 2, 3... by time": all orders, also one that has no line and is not sent,
// because the rule defines an order by its InvoiceNo alone. "Where k mod 3 = 1 the customer clicked exactly one hour
// before the order".
func clicksOf(customer string, orders []*order) []click {
	var clicks []click

	for i, o := range orders {
		k := i + 1
		if k%3 == 1 {
			clicks = append(clicks, click{at: o.at.Add(-time.Hour), partner: clickedPartner(customer, k)})
		}
	}

	return clicks
}

// clickedPartner is "partner number `fnv1a64("<customer>:<k>") mod 50`".
func clickedPartner(customer string, k int) int {
	h := fnv.New64a()
	// A hash never fails to take bytes.
	_, _ = h.Write([]byte(customer + ":" + strconv.Itoa(k)))

	return int(h.Sum64() % partnerCount)
}

// creditedClick finds the click that earns an order, among the clicks of its customer by time.
//
// "the customer's last click at or before the order's time": any of the customer's clicks, so also one made for a
// later order of the same hour. Of two clicks at one instant the later k is the last (the real file has no such pair).
// "and not more than 30 days (exactly 30 x 24 h is still inside) before it": 30 days and one second are outside.
func creditedClick(o *order, clicks []click) (click, bool) {
	var (
		last  click
		found bool
	)

	for _, c := range clicks {
		if !c.at.After(o.at) {
			last, found = c, true
		}
	}

	return last, found && o.at.Sub(last.at) <= 30*day
}
