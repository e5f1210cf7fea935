package report

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Waiting is how much awaits a decision of the scope's merchant, each counted up to WaitingUpTo.
type Waiting struct {
	Orders int64 // those of Awaiting
	Claims int64 // that nobody has answered
	// Disputes are those of which nobody has said how they ended.
	Disputes int64
}

const (
	// WaitingUpTo is how far what waits is counted.
	WaitingUpTo = 100
	// waitingWithin is how many rows of each sort are looked at for it.
	waitingWithin = 1000
)

// All is how much waits in all, up to WaitingUpTo.
func (w Waiting) All() int64 { return min(w.Orders+w.Claims+w.Disputes, WaitingUpTo) }

// Waiting counts what awaits a decision of the scope's merchant. It is asked for with every page, so it looks at a thousand rows of each
// sort at most, of claims and disputes the newest; an order that is several of them counts once.
func (s *Snapshot) Waiting(ctx context.Context) (w Waiting, err error) {
	// name: what awaits a decision
	err = s.tx.QueryRow(ctx, waitingSQL+`
SELECT (SELECT CASE WHEN count(*) = 3 * @most::bigint THEN @most ELSE least(count(DISTINCT no), @most) END FROM (SELECT no FROM waiting LIMIT 3 * @most) w),
       (SELECT count(*) FROM (SELECT FROM newest_open_claim LIMIT @most) c),
       (SELECT count(*) FROM (SELECT FROM newest_open_dispute LIMIT @most) d)`,
		pgx.NamedArgs{"merchant": int64(s.scope.Merchant), "most": int64(WaitingUpTo), "within": int64(waitingWithin)}).Scan(&w.Orders, &w.Claims, &w.Disputes)
	if err != nil {
		return w, fmt.Errorf("counting what awaits a decision: %w", err)
	}
	return w, nil
}
