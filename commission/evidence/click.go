package evidence

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/partners"
	"tributary/partners/program"
)

// Click is a click id as the orders of a merchant name it.
type Click struct {
	Merchant program.MerchantID
	ID       string
}

// Lane is the partition of the topic orders, of so many, whose holder works out how the click id is used.
func (c Click) Lane(partitions int) int {
	return event.Lane(event.OrderKey(int64(c.Merchant), c.ID), partitions)
}

// Use is an order that names a click id.
type Use struct {
	commission.Used

	Click Click
}

const usesOfOrders = `
SELECT order_no, merchant_id, click_id, at, ref, customer_id, void, use
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT order_no, merchant_id, click_id, at, ref, customer_id, void, use FROM click_use WHERE order_no = k.no OFFSET 0) u`

// Uses gives what is stored of orders by their numbers, as far as something is.
func Uses(ctx context.Context, q partners.Querier, numbers []int64) (map[int64]Use, error) {
	rows, err := q.Query(ctx, usesOfOrders, numbers)
	if err != nil {
		return nil, fmt.Errorf("reading how the click ids of %d orders are used: %w", len(numbers), err)
	}
	stored := make(map[int64]Use, len(numbers))
	err = scanUses(rows, nil, func(u *Use) { stored[u.No] = *u })
	return stored, err
}

// ReadUse reads the column use of a row of click_use.
func ReadUse(use []byte) (u commission.Use, err error) {
	if err = json.Unmarshal(use, &u); err != nil {
		return u, fmt.Errorf("how a click id is used: %w", err)
	}
	return u, nil
}

//go:embed query/click_from.sql
var clickFrom string

// UsesFrom gives for each place in the orders of a click id the order before it, if there is one, and at most limit from it on, in
// their order.
func UsesFrom(ctx context.Context, q partners.Querier, places []Use, limit int) ([][]commission.Used, error) {
	merchants, clicks := make([]int64, len(places)), make([]string, len(places))
	at, refs := make([]time.Time, len(places)), make([]string, len(places))
	for i := range places {
		p := &places[i]
		merchants[i], clicks[i], at[i], refs[i] = int64(p.Click.Merchant), p.Click.ID, p.At, p.Ref
	}
	rows, err := q.Query(ctx, clickFrom, merchants, clicks, at, refs, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the orders of click ids at %d places: %w", len(places), err)
	}
	all := make([][]commission.Used, len(places))
	var n int64
	err = scanUses(rows, []any{&n}, func(u *Use) { all[n-1] = append(all[n-1], u.Used) })
	return all, err
}

// scanUses reads rows whose columns begin with some of the caller's.
func scanUses(rows pgx.Rows, first []any, each func(u *Use)) error {
	var u Use
	var use []byte
	_, err := pgx.ForEachRow(rows, append(first, &u.No, &u.Click.Merchant, &u.Click.ID, &u.At, &u.Ref, &u.Customer, &u.Void, &use), func() (err error) {
		if u.Used.Use, err = ReadUse(use); err != nil {
			return err
		}
		u.At = u.At.UTC()
		each(&u)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading how click ids are used: %w", err)
	}
	return nil
}
