package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/fault"
	"tributary/internal/text"
)

// ReviewOrder writes what somebody decided about an order to the inbox, with a note of why. The engine that holds the order's
// partition takes it in within a second or two of the transaction's end. An order that was never reported is a fault.NotFound.
func ReviewOrder(ctx context.Context, tx pgx.Tx, said commission.Reviewed, author, note string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("minting the id of a review: %w", err)
	}
	row := inbox.Row{Kind: inbox.Review, Key: said.Key(), Ref: id.String(), Author: author, Note: note}
	if row.Content, err = json.Marshal(said); err != nil {
		return fmt.Errorf("writing a review: %w", err)
	}
	// name: lane of an order
	err = tx.QueryRow(ctx, `SELECT lane FROM orders WHERE merchant_id = $1 AND order_id = $2 AND keys = $3`, said.Merchant, said.Order, said.Keys).Scan(&row.Lane)
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Detailed(fault.NotFound, "unknown_order", text.DetailOrderUnknown(said.Order), nil)
	}
	if err != nil {
		return fmt.Errorf("looking for the order of a review: %w", err)
	}
	return inbox.Write(ctx, tx, row)
}
