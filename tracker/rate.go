package tracker

import (
	"sync"
	"sync/atomic"
	"time"

	"tributary/partners/program"
)

// rates bounds the reports of each merchant, so that one who sends too many keeps no other waiting: a rate, and as many at
// once as come in burst. It is the generic cell rate algorithm: for each merchant a time that moves on with every report,
// and may not run ahead.
type rates struct {
	interval int64 // nanoseconds from one report to the next; 0 bounds nothing
	// due holds an *atomic.Int64 for each merchant who has reported since the start: nanoseconds since 1970.
	due sync.Map
}

// burst is for how long a merchant who was quiet may be ahead of the rate.
const burst = 2 * time.Second

func newRates(perSecond int) *rates {
	if perSecond == 0 {
		return &rates{}
	}
	return &rates{interval: int64(time.Second) / int64(perSecond)}
}

// admit takes one report, or tells how long the merchant has to wait.
func (r *rates) admit(merchant program.MerchantID, now time.Time) (wait time.Duration, ok bool) {
	if r.interval == 0 {
		return 0, true
	}
	found, known := r.due.Load(merchant)
	if !known {
		found, _ = r.due.LoadOrStore(merchant, new(atomic.Int64))
	}
	due := found.(*atomic.Int64) //nolint:forcetypeassert // nothing else is in it
	for {
		last := due.Load()
		next := max(last, now.Add(-burst).UnixNano())
		if last > now.UnixNano()+r.interval+int64(burst) { // the clock was set back
			next = now.UnixNano()
		}
		if next > now.UnixNano() {
			return time.Duration(next - now.UnixNano()), false
		}
		if due.CompareAndSwap(last, next+r.interval) {
			return 0, true
		}
	}
}
