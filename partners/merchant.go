package partners

import (
	"context"
	"fmt"

	"tributary/partners/program"
)

// Merchant sells, and pays for the sales that partners bring.
type Merchant struct {
	ID   program.MerchantID
	Name string
}

// CreateMerchant adds a merchant.
func CreateMerchant(ctx context.Context, q Querier, name string) (program.MerchantID, error) {
	var id program.MerchantID
	// name: merchant insert
	err := q.QueryRow(ctx, `INSERT INTO merchant (name) VALUES ($1) RETURNING id`, name).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a merchant: %w", AsFault(err))
	}
	return id, nil
}
