package audit

// P5: a broken promise is detected.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/commission/ledger"
	"tributary/internal/event"
)

// chain verifies the hash chain.
func (v *Verification) chain(ctx context.Context) error {
	head, err := ledger.VerifyChain(ctx, v.Tx, v.Heads...)
	v.verdict.Head = head.String()
	if broken, ok := errors.AsType[*ledger.BreakError](err); ok {
		v.Find(chainFinding(broken))
		return nil
	}
	return err
}

func chainFinding(broken *ledger.BreakError) Finding {
	return Finding{
		Check: "hash chain", Table: "chain", Key: fmt.Sprintf("block %d (postings %d to %d)", broken.Block, broken.After+1, broken.Through),
		Want: "what was sealed", Have: broken.Problem,
	}
}

// positions verifies that the outbox goes on where the sequence of each lane stands, without a hole, and reports
// halted partitions.
func (v *Verification) positions(ctx context.Context) error {
	outbox := "ledger_outbox"
	if v.recent > 0 {
		outbox = fmt.Sprintf(`position JOIN LATERAL (SELECT lane, first_seq, last_seq FROM ledger_outbox WHERE lane = partition AND first_seq > out_seq - %d) o ON true
         WHERE consumer = $1 AND topic = $2`, v.recent)
	}
	err := v.Rows(ctx, "outbox is dense", Broken, `
SELECT 'ledger_outbox', format('(%s, %s)', o.lane, o.first_seq), 'last_seq', o.next::text, o.last_seq::text
  FROM (SELECT lane, first_seq, last_seq,
               coalesce(lead(first_seq) OVER (PARTITION BY lane ORDER BY first_seq) - 1,
                        (SELECT out_seq FROM position WHERE consumer = $1 AND topic = $2 AND partition = lane)) AS next
          FROM `+outbox+`) o
 WHERE o.last_seq IS DISTINCT FROM o.next LIMIT $3`, engine, event.Orders, v.Limit)
	if err != nil {
		return err
	}
	err = v.Rows(ctx, "outbox is dense", Broken, `
SELECT 'ledger_sent', lane::text, 'through_seq', 'at most ' || out_seq, through_seq::text
  FROM ledger_sent JOIN position ON consumer = $1 AND topic = $2 AND partition = lane WHERE through_seq > out_seq`, engine, event.Orders)
	if err != nil {
		return err
	}
	return v.Rows(ctx, "partitions move", Attention, `
SELECT 'position', format('(%s, %s, %s)', consumer, topic, partition), 'halted', 'not halted', halted FROM position WHERE halted <> ''
UNION ALL
SELECT 'high_water', format('(%s, %s, %s, %s)', consumer, topic, partition, spool), 'gap', format('sequence %s', seq + 1), format('sequence %s', gap)
  FROM high_water WHERE gap <> 0`)
}

// overdue is how long after its end a hold may still be found pending: engines may have been away for a while.
const overdue = 15 * time.Minute

// holds reports commissions that should have become payable some time ago: the engine cannot decide their orders, or does
// not run.
func (v *Verification) holds(ctx context.Context) error {
	return v.Rows(ctx, "holds end", Attention, `
SELECT 'commission', format('(%s, %s, %s, %s)', order_no, partner_id, role, unit), 'state', format('payable since %s', hold_until), state
  FROM commission WHERE state = 'pending' AND NOT released AND hold_until < $1
UNION ALL
SELECT 'period', no::text, 'release_at', format('released since %s', release_at), 'pending' FROM period WHERE release_at < $1
 ORDER BY 4 LIMIT $2`, v.Now.Add(-overdue), v.Limit)
}

// paths reports orders that wait for their visitors' paths: no loader resolves them, or an answer was lost.
func (v *Verification) paths(ctx context.Context) error {
	return v.Rows(ctx, "paths are known", Attention, `
SELECT 'orders', no::text, 'outcome', format('decided; received at %s', received_at), outcome
  FROM orders WHERE outcome = 'awaiting_path' AND received_at < $1 ORDER BY received_at LIMIT $2`, v.Now.Add(-overdue), v.Limit)
}

// clicks reports days whose clicks should have been counted: touches are not all in ClickHouse, or no loader runs.
func (v *Verification) clicks(ctx context.Context) error {
	return v.Rows(ctx, "clicks are counted", Attention, `
SELECT 'click_day', format('(%s, %s, %s)', lane, program_id, day), 'counted_at', format('counted; asked for at %s', asked_at), 'nothing'
  FROM click_day WHERE counted_at IS NULL AND asked_at < now() - $1 * interval '1 second' ORDER BY day LIMIT $2`, uncounted.Seconds(), v.Limit)
}

// uncounted is how long a day may wait to be counted: a tracker that is away is waited for as long as a day.
const uncounted = 26 * time.Hour

// letters reports dead letters that are not closed.
func (v *Verification) letters(ctx context.Context) error {
	return v.Rows(ctx, "dead letters are settled", Attention, `
SELECT 'dead_letter', format('(%s, %s, %s, %s)', consumer, topic, partition, "offset"), 'state', 'returned or discarded', state || ': ' || error
  FROM dead_letter WHERE state IN ('open', 'returning') ORDER BY at LIMIT $1`, v.Limit)
}
