package tracker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault"
	"tributary/partners/program"
)

const (
	// refusalsEvery is how often TellRefusals writes.
	refusalsEvery = 2 * time.Second
	// refusalsKept is for how long a refusal can be looked up.
	refusalsKept = 30 * 24 * time.Hour
	// merchantRefusals is how many of one merchant are told apart within a minute; more are counted by route and code.
	merchantRefusals = 1000
	// keptRefusals is how many lines one merchant's log has; the oldest beyond go first.
	keptRefusals = 10_000
	// openRefusals bounds those that are not yet written, of all merchants; more are in the metrics alone.
	openRefusals = 50_000
	// maxOrigin bounds the site of a browser, in bytes.
	maxOrigin = 300
)

// CodeRevokedKey stands in the log for a key that was revoked. The answer does not tell it from one that never was.
const CodeRevokedKey = "revoked_key"

// attempt is what is known of a request by the time that it is refused.
type attempt struct {
	merchant program.MerchantID // 0 where it is nobody's: that is not logged
	key      program.KeyID
	order    string
	origin   string
	// code is what the log says where the answer says less.
	code string
}

// refusal is a kind of request that was refused.
type refusal struct {
	merchant                          program.MerchantID
	key                               program.KeyID
	route, code, field, order, origin string
}

// tally counts refusals of one kind.
type tally struct {
	last  time.Time
	times int64
}

// refusals remembers what was refused until it is written. A merchant sees in them why an order is missing.
type refusals struct {
	mu     sync.Mutex
	minute int64
	kinds  map[program.MerchantID]int // new ones in this minute
	open   map[refusal]tally

	swept time.Time // when old ones were last deleted; only tell uses it
}

func newRefusals() *refusals {
	return &refusals{kinds: map[program.MerchantID]int{}, open: map[refusal]tally{}}
}

// note remembers that an attempt was refused with a fault. What failed on our side is no refusal.
func (r *refusals) note(route string, a *attempt, f *fault.Error, at time.Time) {
	if a.merchant == 0 || f.Status() >= 500 {
		return
	}
	kind := refusal{
		merchant: a.merchant, key: a.key, route: route, code: f.Code,
		order: plain(strings.TrimSpace(a.order), maxID), origin: plain(a.origin, maxOrigin),
	}
	if a.code != "" {
		kind.code = a.code
	}
	if len(f.Fields) > 0 {
		kind.field = plain(f.Fields[0].Name, maxID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if minute := at.Unix() / 60; minute != r.minute {
		r.minute = minute
		clear(r.kinds)
	}
	if _, known := r.open[kind]; !known {
		if r.kinds[a.merchant] >= merchantRefusals {
			kind = refusal{merchant: kind.merchant, route: kind.route, code: kind.code}
		} else {
			r.kinds[a.merchant]++
		}
	}
	r.add(kind, tally{at, 1})
}

// add adds to a tally. The caller holds the lock.
func (r *refusals) add(kind refusal, more tally) {
	was, known := r.open[kind]
	if !known && len(r.open) >= openRefusals {
		return
	}
	if more.last.Before(was.last) {
		more.last = was.last
	}
	r.open[kind] = tally{more.last, was.times + more.times}
}

// TellRefusals writes to PostgreSQL every two seconds, and when ctx ends, what was refused. While PostgreSQL is down it keeps
// that in mind.
func (s *Server) TellRefusals(ctx context.Context, db *pgxpool.Pool) error {
	return telling(ctx, refusalsEvery, func(ctx context.Context) {
		if err := s.refusals.tell(ctx, db, s.cfg.Now()); err != nil {
			s.cfg.Log.Debug("what was refused cannot be written down yet", "error", err)
		}
	})
}

// tell writes what was refused since it last did, and once an hour deletes what is too old.
func (r *refusals) tell(ctx context.Context, db *pgxpool.Pool, now time.Time) error {
	r.mu.Lock()
	open := r.open
	r.open = map[refusal]tally{}
	r.mu.Unlock()
	if err := writeRefusals(ctx, db, open); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		for kind, t := range open {
			r.add(kind, t)
		}
		return err
	}
	if err := boundRefusals(ctx, db, open); err != nil {
		return err
	}
	if now.Sub(r.swept) < time.Hour {
		return nil
	}
	// name: refusals sweep
	if _, err := db.Exec(ctx, `DELETE FROM refusal WHERE at < $1`, now.Add(-refusalsKept)); err != nil {
		return fmt.Errorf("deleting old refusals: %w", err)
	}
	r.swept = now
	return nil
}

func writeRefusals(ctx context.Context, db *pgxpool.Pool, open map[refusal]tally) error {
	if len(open) == 0 {
		return nil
	}
	var merchants, keys, times []int64
	var at []time.Time
	var routes, codes, fields, orders, origins []string
	for kind, t := range open {
		merchants, keys, times, at = append(merchants, int64(kind.merchant)), append(keys, int64(kind.key)), append(times, t.times), append(at, t.last)
		routes, codes, fields = append(routes, kind.route), append(codes, kind.code), append(fields, kind.field)
		orders, origins = append(orders, kind.order), append(origins, kind.origin)
	}
	// name: refusals insert
	_, err := db.Exec(ctx, `INSERT INTO refusal (merchant_id, at, route, code, field, order_id, origin, key_id, times)
SELECT u.merchant, u.at, u.route, u.code, u.field, u.order_id, u.origin, u.key, u.times
  FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
  AS u (merchant, at, route, code, field, order_id, origin, key, times) JOIN merchant m ON m.id = u.merchant ORDER BY u.at`,
		merchants, at, routes, codes, fields, orders, origins, keys, times)
	if err != nil {
		return fmt.Errorf("writing refusals: %w", err)
	}
	return nil
}

// boundRefusals deletes the oldest lines of the merchants of whom some were written, beyond keptRefusals.
func boundRefusals(ctx context.Context, db *pgxpool.Pool, written map[refusal]tally) error {
	var merchants []int64
	for kind := range written {
		if id := int64(kind.merchant); !slices.Contains(merchants, id) {
			merchants = append(merchants, id)
		}
	}
	if len(merchants) == 0 {
		return nil
	}
	// name: refusals bound
	_, err := db.Exec(ctx, `DELETE FROM refusal r USING unnest($1::bigint[]) u (merchant)
 WHERE r.merchant_id = u.merchant AND r.no <= (SELECT b.no FROM refusal b WHERE b.merchant_id = u.merchant ORDER BY b.no DESC OFFSET $2 LIMIT 1)`, merchants, keptRefusals)
	if err != nil {
		return fmt.Errorf("bounding the refusals of a merchant: %w", err)
	}
	return nil
}
