package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const copyWanted = `COPY path_wanted (lane, merchant_id, keys, order_id, click_id, program_id, partner_id, clicked_at) FROM STDIN BINARY`

// askForPaths asks for what came before the clicks of orders that wait for it: who resolves paths reads these clicks' rows in
// ClickHouse, and answers by an event. It asks once for each click of an order.
func askForPaths(ctx context.Context, tx pgx.Tx, lane int, orders []*order, buf *rows) error {
	buf.wanted.Reset(8)
	for _, o := range orders {
		click := o.decided.Awaited()
		if click == nil {
			continue
		}
		if before := o.recorded.Awaited(); before != nil && before.ID == click.ID {
			continue
		}
		r := &buf.wanted
		r.Row()
		r.Int4(int32(lane))
		r.Int8(o.key.merchant)
		r.Int2(int16(o.key.keys))
		r.Text(o.key.id)
		r.Text(click.ID)
		r.Int8(int64(click.Program))
		r.Int8(int64(click.Partner))
		r.Time(click.At)
	}
	if err := buf.wanted.Send(ctx, tx, copyWanted); err != nil {
		return fmt.Errorf("asking for the paths of orders: %w", err)
	}
	return nil
}
