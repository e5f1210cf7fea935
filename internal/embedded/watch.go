package embedded

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/clickhouse"
)

// watch says how an engine that has started is watched. It counts as up from one probe that is answered to the first that is
// not, which is noticed after every+limit at most. It is started again when three probes in a row got no answer and either
// nobody listens on its port, or nothing at all has come from it for silence. So an engine that is busy has that long to
// answer one probe, and one that answers with an error (it recovers, it is full, it has no memory) is left alone. One that
// has not answered yet since its start is not watched: it has startLimit.
type watch struct {
	every   time.Duration // between two probes
	limit   time.Duration // for one
	silence time.Duration
}

// usualWatch notices a silent engine within seven seconds. It waits longer before it acts: a broker that syncs to a disk that
// has stalled is silent too, and a restart would not help it.
func usualWatch() watch {
	return watch{every: 2 * time.Second, limit: 5 * time.Second, silence: 20 * time.Second}
}

// lost are the probes in a row without an answer after which an engine may be given up.
const lost = 3

// watchOver probes the engine until its process has ended, ctx ends, or it has to be started again: then it says why.
func (r *runner) watchOver(ctx context.Context, p *process) error {
	heard := time.Now()
	tick := time.NewTicker(r.watch.every)
	defer tick.Stop()
	for failed := 0; ; {
		select {
		case <-p.exited:
			return nil
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := r.probe(ctx, r.watch.limit)
		if ctx.Err() != nil {
			return nil // the probe broke off
		}
		if changed := r.setReady(err == nil); changed && err == nil {
			r.log.Info("engine answers again")
		} else if changed {
			r.log.Warn("engine does not answer", "reason", err)
		}
		if err == nil || answered(err) {
			heard, failed = time.Now(), 0
			continue
		}
		failed++
		closed := errors.Is(err, syscall.ECONNREFUSED)
		if failed >= lost && (closed || time.Since(heard) >= r.watch.silence) {
			select {
			case <-p.exited: // that explains it
				return nil
			default:
				return err
			}
		}
	}
}

// answered reports whether an error is what the engine itself said.
func answered(err error) bool {
	_, postgres := errors.AsType[*pgconn.PgError](err)
	_, reports := clickhouse.Code(err)
	return postgres || reports
}
