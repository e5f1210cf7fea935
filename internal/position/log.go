package position

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/stream"
)

const nameLog = `
UPDATE position SET log = $5 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND epoch = $4 AND (log IN ('', $5) OR next_offset = 0)`

const readLog = `SELECT log FROM position WHERE consumer = $1 AND topic = $2 AND partition = $3 AND epoch = $4`

// SameLog makes sure that the topic is the one that the position is of, and writes down which one that is as long as
// nothing was read. It gives a *stream.RecreatedError when it is not: offsets alone would not show it once the new log is as long as the old one,
// and the sequence rule not for spools that were never seen before.
func (h Held) SameLog(ctx context.Context, db *pgxpool.Pool, kafka *stream.Client) error {
	is, err := kafka.Log(ctx, h.Topic)
	if err != nil || is == "" {
		return err //nolint:wrapcheck // it names the topic
	}
	tag, err := db.Exec(ctx, nameLog, h.Consumer, h.Topic, h.Partition, h.Epoch, is)
	if err != nil {
		return fmt.Errorf("naming the log of %s/%d: %w", h.Topic, h.Partition, err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	var was string
	err = db.QueryRow(ctx, readLog, h.Consumer, h.Topic, h.Partition, h.Epoch).Scan(&was)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: %s on %s/%d", ErrLost, h.Consumer, h.Topic, h.Partition)
	}
	if err != nil {
		return fmt.Errorf("reading the log of %s/%d: %w", h.Topic, h.Partition, err)
	}
	return &stream.RecreatedError{Topic: h.Topic, Partition: h.Partition, Was: was, Is: is}
}
