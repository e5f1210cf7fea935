package engine

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"tributary/commission"
	"tributary/commission/inbox"
)

// say has somebody say something on a page: what is to become of an order, that its customer disputes it, or whom a customer
// belongs to.
func (s *simulation) say() {
	r := &saidRow{no: s.store.number()}
	if answer := s.answer(); answer != nil && s.random.IntN(2) == 0 {
		answer.no, r = r.no, answer
		r.review.ID = fmt.Sprintf("review %06d", r.no)
		s.tally.Reviews++
	} else if what := s.random.IntN(8); what < 5 {
		var known []string
		for key := range s.store.orders {
			known = append(known, key.id)
		}
		if len(known) == 0 {
			return
		}
		slices.Sort(known)
		r.key = orderKey{merchant: s.merchant(), id: known[s.random.IntN(len(known))]}
		r.lane = s.store.laneOf(r.key)
		if what == 0 {
			r.dispute = s.dispute()
			s.tally.Disputes++
		} else {
			r.review = s.review(s.store.orders[r.key])
			r.review.ID = fmt.Sprintf("review %06d", r.no)
			s.tally.Reviews++
		}
	} else {
		r.bind = inbox.Binding{
			Merchant: s.sold.Merchant, Customer: fmt.Sprint("customer ", 1+s.random.IntN(s.customers)), Program: s.sold.ID,
			From: noon().Add(time.Duration(s.random.IntN(50)-30) * day),
		}
		if s.random.IntN(4) > 0 {
			r.bind.Partner = s.sites[s.random.IntN(len(s.sites))]
		}
		r.lane = s.customer(r.bind.Customer).Lane(lanes)
		s.tally.Bindings++
	}
	s.store.said = append(s.store.said, r)
	s.did(happening{deed: say, said: r})
}

// dispute draws what somebody says about one of two disputes of an order, whether it is open or not.
func (s *simulation) dispute() commission.Dispute {
	states := commission.DisputeStates()
	d := commission.Dispute{ID: fmt.Sprint("dispute ", s.random.IntN(2)), At: s.store.now, State: states[s.random.IntN(len(states))]}
	if d.Whole = s.random.IntN(3) == 0; !d.Whole {
		d.Amount = 1 + s.random.Int64N(30_000)
	}
	return d
}

// answer has the other side ask for a report that one side alone has asked for, if there is one.
func (s *simulation) answer() *saidRow {
	for i, asked := range s.store.said {
		same := func(o *saidRow) bool {
			return o.key == asked.key && o.review.Report == asked.review.Report && o.review.By != asked.review.By
		}
		if asked.review.Verb != commission.Replace || slices.ContainsFunc(s.store.said[i+1:], same) {
			continue
		}
		r := &saidRow{key: asked.key, lane: asked.lane, review: asked.review}
		if r.review.At, r.review.By = s.store.now, commission.ByMerchant; asked.review.By == commission.ByMerchant {
			r.review.By = commission.ByOperator
		}
		return r
	}
	return nil
}

// review draws what somebody decides about an order.
func (s *simulation) review(row *orderRow) commission.Review {
	r := commission.Review{At: s.store.now, By: commission.ByOperator}
	if s.random.IntN(2) == 0 {
		r.By = commission.ByMerchant
	}
	verbs := commission.Verbs()
	switch r.Verb = verbs[s.random.IntN(len(verbs))]; r.Verb {
	case commission.Void:
		r.Code = "fraud"
	case commission.Decline, commission.Hold, commission.Unhold:
		r.Code = "other"
		if s.random.IntN(2) == 0 {
			r.Partner = s.sites[s.random.IntN(len(s.sites))]
		}
	case commission.Replace:
		if len(row.conflicts) == 0 {
			r.Verb = commission.Hold
			break
		}
		r.Report = hex.EncodeToString(row.conflicts[s.random.IntN(len(row.conflicts))].Content())
	}
	return r
}
