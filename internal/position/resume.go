package position

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Remedy says how a halted partition goes on.
type Remedy int

// The remedies.
const (
	// Retry reads on from the same place under the same rule: the cause was elsewhere and is gone.
	Retry Remedy = iota
	// Refilled is for records that are being sent again from a spool's kept segments: what is above the gap is dropped
	// until the missing records arrive, and then comes again behind them.
	Refilled
	// AcceptLoss gives the missing records up: the record behind the gap is the next.
	AcceptLoss
	// FromFirst reads on from the first offset that Kafka still holds, for a topic that was recreated or whose retention
	// has passed the position. What was seen before is dropped by its sequence, and what is missing is a gap again.
	FromFirst
)

// ErrNotHalted says that there is nothing to resume.
var ErrNotHalted = errors.New("the partition is not halted")

// Resume lets a halted partition go on. first is the first offset that Kafka holds, for FromFirst. The keeper that
// holds the partition starts its work again at its next look, a second later.
func Resume(ctx context.Context, db *pgxpool.Pool, consumer, topic string, partition int, remedy Remedy, first int64) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE position SET halted = '', halted_key = NULL, halted_record = NULL, attempts = 0, next_offset = CASE WHEN $4 THEN $5 ELSE next_offset END,
			log = CASE WHEN $4 THEN '' ELSE log END
			WHERE consumer = $1 AND topic = $2 AND partition = $3 AND halted <> ''`, consumer, topic, partition, remedy == FromFirst, first)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return ErrNotHalted
		}
		statement := ""
		switch remedy {
		case Refilled:
			return nil
		case AcceptLoss:
			statement = `UPDATE high_water SET seq = gap - 1, gap = 0 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND gap <> 0`
		case Retry, FromFirst:
			statement = `UPDATE high_water SET gap = 0 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND gap <> 0`
		}
		_, err = tx.Exec(ctx, statement, consumer, topic, partition)
		return err
	})
	if err != nil {
		return fmt.Errorf("resuming %s on %s/%d: %w", consumer, topic, partition, err)
	}
	return nil
}
