package partners

import (
	"context"
	"fmt"
)

// Merchant sells, and pays for the sales that partners bring.
type Merchant struct {
	ID   MerchantID
	Name string
}

// CreateMerchant adds a merchant.
func CreateMerchant(ctx context.Context, q Querier, name string) (MerchantID, error) {
	var id MerchantID
	// name: merchant insert
	err := q.QueryRow(ctx, `INSERT INTO merchant (name) VALUES ($1) RETURNING id`, name).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a merchant: %w", asFault(err))
	}
	return id, nil
}
