package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tributary/commission/audit"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// audited is what an audit of this world needs.
func (w *world) audited() audit.Check {
	return audit.Check{DB: w.db, VerifyClick: verifyClick, Partitions: w.partitions, Limit: 100, Now: w.clock(), Decide: w.decider}
}

// sealAll seals the books with checkpoints, as the engine's sealer would in its own time.
func (w *world) sealAll(every int) {
	w.t.Helper()
	sealer := ledger.NewSealer(w.db, quiet())
	sealer.BlockRows, sealer.CheckpointEvery = 40, every
	_, err := sealer.Seal(w.t.Context())
	check(w.t, err)
}

// ledgerEvents reads the topic ledger, and fails unless each lane's sequence is dense from 1 on.
func (w *world) ledgerEvents() []stream.Record {
	w.t.Helper()
	var all []stream.Record
	for p := range w.partitions {
		_, end, err := w.kafka.Offsets(w.t.Context(), event.Decisions, p)
		check(w.t, err)
		seq := uint64(0)
		for next := int64(0); next < end; {
			records, err := w.kafka.Fetch(w.t.Context(), event.Decisions, p, next, 1<<20, time.Second)
			check(w.t, err)
			for _, r := range records {
				next = r.Offset + 1
				if r.Seq <= seq {
					continue // sent again
				}
				if r.Seq != seq+1 {
					w.t.Fatalf("lane %d: sequence %d follows %d", p, r.Seq, seq)
				}
				seq = r.Seq
				all = append(all, r)
			}
		}
	}
	return all
}

func TestLedgerEventsAddUpToTheBooksAtEveryTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	history, times := shoppingHistory(200)
	w.start(w.config("one"))
	w.setClock(noon().Add(10 * day))
	events := arrival(w, history, 3)
	w.send(events[:len(events)/2]...)
	w.waitIdle()
	w.setClock(noon().Add(33 * day))
	w.send(events[len(events)/2:]...)
	w.waitIdle()
	w.eventually("holds have ended", func() bool {
		return w.number(`SELECT count(*) FROM commission WHERE NOT released AND hold_until <= $1`, w.clock()) == 0
	})
	w.waitIdle()
	records := w.ledgerEvents()
	for _, at := range times {
		got := make(books)
		for _, r := range records {
			e, err := event.Decode(r.Value)
			check(t, err)
			if !at.IsZero() && event.Time(e.GetOccurredAt()).After(at) {
				continue
			}
			l := e.GetLedger()
			sum, figures := int64(0), map[chart.Kind]int64{
				chart.PartnerPending: l.GetPending(), chart.PartnerPayable: l.GetPayable(), chart.FeePending: l.GetFeePending(), chart.FeeEarned: l.GetFeeEarned(),
			}
			for _, c := range l.GetAccounts() {
				kind := chart.Kinds()[c.GetKind()-1]
				partner := int64(0)
				if kind.Owner.HasPartner() {
					partner = l.GetPartnerId()
				}
				grown := kind.Kind.Amount(c.GetAmount(), 0)
				got[fmt.Sprintf("%s/%d/%d/%s", kind.Kind, l.GetMerchantId(), partner, l.GetCurrency())] += grown
				figures[kind.Kind] -= grown
				sum += c.GetAmount()
			}
			if sum != 0 || figures[chart.MerchantReceivable] != -l.GetNet()-l.GetFee() {
				t.Errorf("event of order %d, version %d, step %d does not add up", l.GetOrderNo(), l.GetVersion(), l.GetStep())
			}
			delete(figures, chart.MerchantReceivable)
			for kind, left := range figures {
				equal(t, fmt.Sprintf("%s of order %d that its accounts do not say", kind, l.GetOrderNo()), left, 0)
			}
		}
		for k, v := range got {
			if v == 0 {
				delete(got, k)
			}
		}
		equal(t, "as of "+at.String(), got, w.books(at))
	}
	refunded := int64(0)
	for _, r := range records {
		e, err := event.Decode(r.Value)
		check(t, err)
		refunded += e.GetLedger().GetRefunded()
	}
	equal(t, "refunded", refunded, w.number(`SELECT sum(refunded) FROM orders`))
}

func TestVerifyReadsOneSnapshotWhileTheEngineWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := 0; ctx.Err() == nil && i < 3000; i += 20 {
			var events []*event.Event
			for j := range 20 {
				events = append(events, sale(1, fmt.Sprint("L", i+j), w.click(), 1000))
			}
			w.send(events...)
		}
	}()
	for range 5 {
		w.clean()
	}
	cancel()
	<-sent
	w.waitIdle()
	w.clean()
}
