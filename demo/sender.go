package demo

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"tributary/tracker"
	"tributary/tracker/clickid"
)

// SendHistory sends the ninety days before State.Past.Until through the intake, which judges them as live visits, and waits for the
// disk. The first stored of its events are in the spool already; say hears how many there are to send.
func (n *Network) SendHistory(ctx context.Context, intake *tracker.Intake, ring *clickid.Ring, stored int, say func(events int)) error {
	facts := history(seed, n.merchants, n.partners[0], n.State.Past.Until)
	// Each fact is one record, and the spool keeps their order: what it has is the beginning.
	sender := &historySender{bulk: intake.Bulk(), intake: intake, ring: ring, stored: stored}
	say(len(facts) - stored)
	for _, f := range facts {
		if err := sender.send(ctx, f); err != nil {
			return fmt.Errorf("sending the history: %w", err)
		}
	}
	if err := sender.bulk.Wait(ctx); err != nil {
		return fmt.Errorf("sending the history: %w", err)
	}
	return nil
}

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
			OrderID: t.purchase.id, RefundID: t.id, Reason: "returned", OccurredAt: t.at, EventID: tracker.ImportID("demo refund", t.id, t.at), WholeOrder: t.whole,
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
	click.EventID = tracker.ImportID("demo click", click.ID, v.at)
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
		OrderID: p.id, Currency: p.currency, CustomerID: p.customer, Coupon: p.coupon, ReferralCode: p.referral, OccurredAt: p.at,
		EventID: tracker.ImportID("demo sale", p.id, p.at),
	}
	if p.again {
		report.EventID = tracker.ImportID("demo sale again", p.id, p.at)
	}
	if p.visit != nil {
		report.ClickID = p.visit.clickID
		for _, e := range append(p.earlier, p.visit) {
			if e.clickID != "" && len(p.earlier) > 0 {
				report.Path = append(report.Path, e.clickID)
			}
		}
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
