package audit

// P8: how click ids are used follows from the orders that name them, and each order is decided by it.

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
)

// uses adds to the evidence of a page of orders how their click ids had been used, as it is stored: that this follows from the
// orders, clickUses verifies.
func (v *Verification) uses(ctx context.Context, page []*order) error {
	var asking []*order
	var numbers []int64
	for _, o := range page {
		if _, names := commission.UsedBy(&o.folded); names && v.programs.CountsClicks(o.folded.Merchant, o.folded.At) {
			asking, numbers = append(asking, o), append(numbers, o.no)
		}
	}
	if len(asking) == 0 {
		return nil
	}
	stored, err := evidence.Uses(ctx, v.Tx, numbers)
	if err != nil {
		return err
	}
	for _, o := range asking {
		used, _ := commission.UsedBy(&o.folded)
		u, is := stored[o.no]
		if want := (evidence.Click{Merchant: o.folded.Merchant, ID: o.folded.ClickID}); !is || u.Click != want || !u.SameFacts(&used) {
			have := "none"
			if is {
				have = useText(u.Click.ID, &u.Used)
			}
			v.Find(Finding{
				Check: "click ids follow from orders", Table: "click_use", Key: fmt.Sprintf("of order %d (merchant %d, %q)", o.no, o.merchant, o.id),
				Want: useText(want.ID, &used), Have: have,
			})
		}
		o.evidence.Use = u.Used.Use
	}
	return nil
}

func useText(click string, u *commission.Used) string {
	return fmt.Sprintf("%s at %s, %q of %q, void %t", click, show(u.At), u.Ref, u.Customer, u.Void)
}

// clickUses verifies that how each click id had been used with each order follows from the order before it. Those that are to be
// looked at yet are passed over.
func (v *Verification) clickUses(ctx context.Context) error {
	rows, err := v.Tx.Query(ctx, `SELECT u.order_no, u.merchant_id, u.click_id, u.at, u.ref, u.customer_id, u.void, u.use,
		EXISTS (SELECT FROM click_touched t WHERE t.merchant_id = u.merchant_id AND t.click_id = u.click_id) FROM click_use u ORDER BY merchant_id, click_id, at, ref`)
	if err != nil {
		return fmt.Errorf("checking how click ids are used: %w", err)
	}
	var click, last evidence.Click
	var u, before commission.Used
	var use []byte
	var touched bool
	_, err = pgx.ForEachRow(rows, []any{&u.No, &click.Merchant, &click.ID, &u.At, &u.Ref, &u.Customer, &u.Void, &use, &touched}, func() error {
		if u.Use, err = evidence.ReadUse(use); err != nil {
			return err
		}
		var prev *commission.Used
		if click == last {
			prev = &before
		}
		if want := u.Follow(prev); !touched && !want.Equal(&u.Use) {
			v.Find(Finding{
				Check: "click ids follow from orders", Table: "click_use", Key: fmt.Sprintf("of order %d (merchant %d, %q)", u.No, click.Merchant, u.Ref),
				Column: "use", Want: asText(want), Have: asText(u.Use),
			})
		}
		last, before = click, u
		return nil
	})
	if err != nil {
		return fmt.Errorf("checking how click ids are used: %w", err)
	}
	return v.Rows(ctx, "click ids are looked at", Attention, `
SELECT 'click_touched', format('of merchant %s, click id %s', merchant_id, click_id), 'written', 'looked at since', written::text
  FROM click_touched WHERE written < now() - $1 * interval '1 second' LIMIT $2`, overdue.Seconds(), v.Limit)
}
