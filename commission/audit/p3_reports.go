package audit

// P3: every record is in ClickHouse exactly once.

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
)

// sentLane is how far the ledger events of a lane go in this snapshot.
type sentLane struct {
	lane  int
	last  uint64
	spool string
}

// selects is the condition under which ClickHouse has an event of the lane that the snapshot has sent.
func (l sentLane) selects() string {
	return fmt.Sprintf("_spool = toUUID('%s') AND _partition = %d AND _seq <= %d", l.spool, l.lane, l.last)
}

// sent reads how far each lane's sequence goes.
func (v *Verification) sent(ctx context.Context) ([]sentLane, error) {
	rows, err := v.Tx.Query(ctx, `SELECT partition, out_seq, (SELECT value::uuid::text FROM setting WHERE name = 'ledger_spool')
		FROM position WHERE consumer = $1 AND topic = $2 ORDER BY partition`, engine, event.Orders)
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	lanes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sentLane, error) {
		var l sentLane
		err := row.Scan(&l.lane, &l.last, &l.spool)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	return lanes, nil
}

// arrived reports whether every ledger event that the snapshot has sent is in ClickHouse, once.
func (v *Verification) arrived(ctx context.Context, lanes []sentLane) (bool, error) {
	complete := true
	for _, l := range lanes {
		var have, sum uint64
		if err := v.Reports.QueryRow(ctx, "SELECT count(), sum(_seq) FROM ledger WHERE "+l.selects()).Scan(&have, &sum); err != nil {
			return false, fmt.Errorf("counting the reports' ledger events: %w", err)
		}
		at := Finding{Check: "reports have every event once", Table: "clickhouse ledger", Key: fmt.Sprintf("lane %d, up to %d", l.lane, l.last)}
		switch wanted := l.last * (l.last + 1) / 2; {
		case have < l.last:
			at.Severity = Attention // not there yet, or lost: then the loader's own check says so
			complete = false
			v.Compare(at, "events", strconv.FormatUint(l.last, 10), strconv.FormatUint(have, 10))
		case have > l.last || sum != wanted:
			complete = false
			v.Compare(at, "events and sum of sequences", fmt.Sprintf("%d, %d", l.last, wanted), fmt.Sprintf("%d, %d", have, sum))
		}
	}
	return complete, nil
}
