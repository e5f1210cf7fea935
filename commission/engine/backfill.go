package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tributary/commission/evidence"
	"tributary/internal/postgres"
	"tributary/partners/program"
)

// backfillRows is how many orders of a merchant a lane goes through in one transaction; those of other lanes are among them.
const backfillRows = 5000

// beginBackfill begins with the merchants of whom the lane has not begun: with the orders that there are by now.
const beginBackfill = `
INSERT INTO customer_backfill (merchant_id, lane, through_at, through_no, until_at, done)
SELECT m, $2, '-infinity', 0, coalesce(last.at, '-infinity'), last.at IS NULL
  FROM unnest($1::bigint[]) m, LATERAL (SELECT max(occurred_at) AS at FROM orders WHERE merchant_id = m) last
 WHERE NOT EXISTS (SELECT FROM customer_backfill WHERE (merchant_id, lane) = (m, $2))`

// openBackfills gives the merchants with whom the lane is not done, and where it stands.
const openBackfills = `SELECT merchant_id, through_at, through_no FROM customer_backfill WHERE lane = $2 AND merchant_id = ANY ($1) AND NOT done ORDER BY merchant_id`

// backfillPiece goes through the next $5 orders of a merchant after ($3, $4). Those of the lane that name a customer enter as
// orders that bound nobody, and their customers are to be looked at; what is there already stays. It gives the last order that it
// saw, and nothing behind the end.
const backfillPiece = `
WITH piece AS MATERIALIZED (
  SELECT no, lane, customer_id, occurred_at, order_id, outcome FROM orders WHERE merchant_id = $1 AND (occurred_at, no) > ($3, $4)
     AND occurred_at <= (SELECT until_at FROM customer_backfill WHERE merchant_id = $1 AND lane = $2) ORDER BY occurred_at, no LIMIT $5
), entered AS (
  INSERT INTO customer_seen (merchant_id, customer_id, at, ref, order_no, sale, void, view)
  SELECT $1, customer_id, occurred_at, order_id, no, goal IS NULL, outcome = 'voided', '{"nth":0}'
    FROM piece CROSS JOIN LATERAL (SELECT decision #>> '{order,test}' AS test, decision #>> '{order,goal}' AS goal FROM orders o WHERE o.no = piece.no OFFSET 0) said
   WHERE lane = $2 AND customer_id <> ''
     AND NOT EXISTS (SELECT FROM customer_seen WHERE (merchant_id, customer_id, at, ref) = ($1, piece.customer_id, occurred_at, order_id))
     AND test IS NULL AND coalesce(goal, '') NOT IN ('click', 'impression')
      ON CONFLICT DO NOTHING
  RETURNING customer_id, at, ref
), kept AS (
  UPDATE customer_backfill SET (through_at, through_no, done) = (
         SELECT coalesce(max(occurred_at), through_at), coalesce((array_agg(no ORDER BY occurred_at DESC, no DESC))[1], through_no), count(*) < $5 FROM piece)
   WHERE merchant_id = $1 AND lane = $2 RETURNING done)
SELECT kept.done, e.customer_id, e.at, e.ref FROM kept LEFT JOIN entered e ON true`

// backfill goes through the orders that merchants had when their terms first asked about customers, a piece at a time: they
// count for whether a customer is new. It holds the lane, whose own orders have been followed as they come since the terms were
// first seen here (customers).
func (l *lane) backfill(ctx context.Context) (more bool, err error) {
	merchants := l.programs.AskingMerchants()
	if len(merchants) == l.backfilled {
		return false, nil
	}
	open := 0
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		if _, err := l.held.Lock(ctx, tx); err != nil {
			return err
		}
		if _, err := l.gather(ctx, tx, nil); err != nil { // whoever decided an order since has seen the terms
			return err
		}
		pieces, err := l.openBackfills(ctx, tx, merchants)
		if err != nil || len(pieces) == 0 {
			return err
		}
		done, err := l.backfillPiece(ctx, tx, pieces[0])
		if open = len(pieces); done {
			open--
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("going through the orders of customers: %w", err)
	}
	if open == 0 {
		l.backfilled = len(merchants)
	}
	return open > 0, nil
}

// piece is where a lane stands in the orders of a merchant.
type piece struct {
	merchant program.MerchantID
	at       pgtype.Timestamptz // -infinity at first
	no       int64
}

// openBackfills begins with merchants, where it has not, and gives those with whom it is not done.
func (l *lane) openBackfills(ctx context.Context, tx pgx.Tx, merchants []program.MerchantID) ([]piece, error) {
	if _, err := tx.Exec(ctx, beginBackfill, merchants, l.held.Partition); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, openBackfills, merchants, l.held.Partition)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p piece, err error) {
		err = row.Scan(&p.merchant, &p.at, &p.no)
		return p, err
	})
}

func (l *lane) backfillPiece(ctx context.Context, tx pgx.Tx, p piece) (done bool, err error) {
	rows, err := tx.Query(ctx, backfillPiece, p.merchant, l.held.Partition, p.at, p.no, backfillRows)
	if err != nil {
		return false, err
	}
	l.buf.touched.Reset(5)
	made := changes{}
	var customer, ref *string
	var at *time.Time
	_, err = pgx.ForEachRow(rows, []any{&done, &customer, &at, &ref}, func() error {
		if customer != nil {
			place := evidence.Place{Customer: evidence.Customer{Merchant: p.merchant, ID: *customer}, At: *at, Ref: *ref}
			copyTouch(&l.buf.touched, place, l.cfg.Partitions)
			made.add(changedPlace{Place: place}, l.cfg.Partitions)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if err := l.buf.touched.Send(ctx, tx, copyTouched); err != nil {
		return false, err
	}
	return done, made.writeNow(ctx, tx)
}
