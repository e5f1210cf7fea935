package engine

import (
	"fmt"
	"math/rand/v2"
	"time"

	"tributary/internal/event"
)

// historyEvent is a fact of an invented history: which merchant's order, whose link, and what.
type historyEvent struct {
	partner int // -1 for no click
	event   func(click string) *event.Event
}

// shoppingHistory makes up orders with up to five refunds each, over forty days around noon, the same every time, and the
// times as of which to look at the books.
func shoppingHistory(orders int) ([]historyEvent, []time.Time) {
	random := rand.New(rand.NewPCG(7, 11))
	var all []historyEvent
	for i := range orders {
		merchant, id := int64(1+i%2), fmt.Sprint("H", i)
		placed := time.Duration(random.IntN(40*24*3600)-20*24*3600) * time.Second
		amounts := make([]int64, 1+random.IntN(4))
		for l := range amounts {
			amounts[l] = random.Int64N(20_000)
		}
		partner := random.IntN(5) - 1
		all = append(all, historyEvent{partner, func(click string) *event.Event {
			e := sale(merchant, id, click, amounts...)
			e.OccurredAt = event.Micros(noon().Add(placed))
			if len(amounts) > 2 {
				e.GetSale().Lines[1].Category = "free"
			}
			return e
		}})
		for r := range random.IntN(6) {
			// Some refunds are dated before their sale, some after the end of the hold, some at the very same time.
			after := placed + time.Duration(random.IntN(35*24)-24)*time.Hour
			amount := random.Int64N(8000)
			all = append(all, historyEvent{partner, func(string) *event.Event {
				e := refund(merchant, id, fmt.Sprint("r", r), after, amount)
				if amount%3 == 0 {
					e.GetRefund().Amount, e.GetRefund().WholeOrder = 0, false
					e.GetRefund().Items = []*event.RefundItem{{Line: 1 + amount%2, Quantity: 1}}
					e.GetRefund().ContentHash = event.RefundHash(e.GetRefund(), e.GetOccurredAt())
				}
				return e
			}})
		}
	}
	times := []time.Time{{}}
	for d := -21; d < 60; d += 3 {
		times = append(times, noon().Add(time.Duration(d)*day))
	}
	return all, times
}

// arrival gives the history as events in this world: in its order for seed 0, else shuffled, with every third event
// arriving twice.
func arrival(w *world, history []historyEvent, seed int64) []*event.Event {
	var events []*event.Event
	for _, h := range history {
		click := ""
		if h.partner >= 0 {
			e := h.event("")
			merchant := e.GetSale().GetMerchantId() + e.GetRefund().GetMerchantId()
			click = clickOn(w.links[int(merchant-1)*len(w.partners)+h.partner], event.Time(e.GetOccurredAt()).Add(-day))
		}
		e := h.event(click)
		if s := e.GetSale(); s != nil {
			s.ContentHash = event.SaleHash(s, e.GetOccurredAt())
		}
		events = append(events, e)
	}
	if seed == 0 {
		return events
	}
	random := rand.New(rand.NewPCG(uint64(seed), 3))
	for i := range events {
		if random.IntN(3) == 0 {
			events = append(events, events[i])
		}
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}
