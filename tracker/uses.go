package tracker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/partners/program"
)

// usesEvery is how often TellUses writes.
const usesEvery = time.Minute

// uses remembers when each key last reported something, so that people see which ones can go.
type uses struct {
	keys sync.Map // program.KeyID to *use
}

type use struct {
	last atomic.Int64 // seconds since 1970
	told int64        // what was written of it; only tell uses it
}

func (u *uses) note(key program.KeyID, at time.Time) {
	found, known := u.keys.Load(key)
	if !known {
		found, _ = u.keys.LoadOrStore(key, &use{})
	}
	found.(*use).last.Store(at.Unix()) //nolint:forcetypeassert // nothing else is in it
}

// TellUses writes to PostgreSQL once a minute, and when ctx ends, which keys were used. While PostgreSQL is down it keeps
// them in mind.
func (s *Server) TellUses(ctx context.Context, db *pgxpool.Pool) error {
	return telling(ctx, usesEvery, func(ctx context.Context) { s.tellUses(ctx, db) })
}

// telling tells every so often, and for a second more when ctx ends.
func telling(ctx context.Context, every time.Duration, tell func(ctx context.Context)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			tell(last)
			return nil
		case <-tick.C:
			tell(ctx)
		}
	}
}

func (s *Server) tellUses(ctx context.Context, db *pgxpool.Pool) {
	if err := s.uses.tell(ctx, db); err != nil {
		s.cfg.Log.Debug("when keys were last used cannot be written down yet", "error", err)
	}
}

// tell writes the uses that were not written before.
func (u *uses) tell(ctx context.Context, db *pgxpool.Pool) error {
	var keys []int64
	var times []time.Time
	var news []*use
	u.keys.Range(func(key, value any) bool {
		entry := value.(*use) //nolint:forcetypeassert // nothing else is in it
		if last := entry.last.Load(); last > entry.told {
			keys = append(keys, int64(key.(program.KeyID))) //nolint:forcetypeassert // nothing else is in it
			times = append(times, time.Unix(last, 0))
			news = append(news, entry)
		}
		return true
	})
	if len(keys) == 0 {
		return nil
	}
	// name: key uses. In the order of the keys, so that two trackers do not wait for each other.
	_, err := db.Exec(ctx, `INSERT INTO key_use (key_id, used_at)
SELECT k.id, u.at FROM unnest($1::bigint[], $2::timestamptz[]) AS u (id, at) JOIN api_key k USING (id) ORDER BY k.id
    ON CONFLICT (key_id) DO UPDATE SET used_at = greatest(key_use.used_at, excluded.used_at)`, keys, times)
	if err != nil {
		return fmt.Errorf("writing when keys were last used: %w", err)
	}
	for i, entry := range news {
		entry.told = times[i].Unix()
	}
	return nil
}
