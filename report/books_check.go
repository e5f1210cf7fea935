package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A BooksCheck is a comparison of what reports count with the books, of one merchant.
type BooksCheck struct {
	// SealedAt is as of when, CheckedAt when it was compared.
	SealedAt, CheckedAt time.Time
	// Rows is how many sums were compared, by program, partner and currency, and Different how many of them are not equal.
	Rows, Different int
}

// Equal tells whether reports and books agree.
func (c *BooksCheck) Equal() bool { return c.Different == 0 }

// booksCheck reads the last comparison of a merchant; nil where there was none.
func (s *Snapshot) booksCheck(ctx context.Context, merchant int64) (*BooksCheck, error) {
	c := &BooksCheck{}
	// name: last comparison with the books
	err := s.tx.QueryRow(ctx, `SELECT sealed_at, checked_at, rows, different FROM report_check
		WHERE merchant_id = $1 AND checked_at IS NOT NULL ORDER BY no DESC LIMIT 1`, merchant).Scan(&c.SealedAt, &c.CheckedAt, &c.Rows, &c.Different)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // there was none
	}
	if err != nil {
		return nil, fmt.Errorf("reading the last comparison with the books: %w", err)
	}
	return c, nil
}
