package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// Bind is what an operator says about a customer: whom they belong to from a time on. Its key is that of the customer, and its
// content a Binding.
const Bind Kind = "bind"

// Binding is whom a customer of a merchant belongs to from a time on.
type Binding struct {
	Merchant program.MerchantID `json:"merchant"`
	// Customer is the merchant's own id.
	Customer string            `json:"customer"`
	Program  program.ProgramID `json:"program"`
	// Partner is 0 where the customer is set free.
	Partner program.PartnerID `json:"partner"`
	From    time.Time         `json:"from"`
}

// WriteBind adds a binding to the inbox, in a topic of so many partitions: for an operator, or from pages for one.
func WriteBind(ctx context.Context, q Querier, b Binding, author, note string, partitions int) error {
	content, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("writing a binding: %w", err)
	}
	key := event.OrderKey(int64(b.Merchant), b.Customer)
	// name: bind customer
	if _, err := q.Exec(ctx, `SELECT bind_customer($1, $2, $3, $4, $5)`, event.Lane(key, partitions), key, content, author, note); err != nil {
		return fmt.Errorf("writing a binding: %w", err)
	}
	return nil
}

// Binding reads the content of a row of the kind Bind.
func (r *Row) Binding() (b Binding, err error) {
	if err = json.Unmarshal(r.Content, &b); err != nil {
		return b, fmt.Errorf("reading a binding: %w", err)
	}
	b.From = b.From.UTC()
	return b, nil
}
