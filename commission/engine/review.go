package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/fault"
	"tributary/internal/text"
)

// MaxReviewed bounds the orders about which something is said at once.
const MaxReviewed = 1000

// ReviewOrder writes what somebody decided about an order to the inbox, with a note of why, and gives the number of the row. It
// is written for the side that the transaction acts for (app_operator, app_merchant), and takes effect ten seconds later, within
// a second or two: until then UndoReview withdraws it. What is wrong with it is a fault.Invalid; an order that was never
// reported, or is another merchant's, a fault.NotFound. It is wrong to speak of the share of a partner who has none.
func ReviewOrder(ctx context.Context, tx pgx.Tx, said commission.Reviewed, author, note string) (no int64, err error) {
	if err := checkShare(ctx, tx, &said); err != nil {
		return 0, err
	}
	numbers, err := ReviewOrders(ctx, tx, []commission.Reviewed{said}, author, note)
	if err != nil {
		return 0, err
	}
	if numbers[0] == 0 {
		return 0, fault.Detailed(fault.NotFound, "unknown_order", text.DetailOrderUnknown(said.Order), nil)
	}
	return numbers[0], nil
}

// checkShare refuses what is said of the share of a partner who has none of the order.
func checkShare(ctx context.Context, tx pgx.Tx, said *commission.Reviewed) error {
	if said.Partner == 0 {
		return nil
	}
	var known bool
	var partners []int64
	// name: partners who share an order
	err := tx.QueryRow(ctx, `SELECT count(o.no) > 0, coalesce(array_agg(DISTINCT c.partner_id ORDER BY c.partner_id) FILTER (WHERE c.partner_id <> 0), '{}')
		FROM orders o LEFT JOIN commission c ON c.order_no = o.no WHERE o.merchant_id = $1 AND o.order_id = $2 AND o.keys = $3`,
		said.Merchant, said.Order, int16(said.Keys)).Scan(&known, &partners)
	switch {
	case err != nil:
		return fmt.Errorf("looking for those who share an order: %w", err)
	case !known || slices.Contains(partners, said.Partner):
		return nil
	case len(partners) == 0:
		return refused(fault.Wrong("partner", text.WrongNobodyShares(), text.FixLeaveOut()))
	}
	names := make([]string, len(partners))
	for i, p := range partners {
		names[i] = strconv.FormatInt(p, 10)
	}
	return refused(fault.Wrong("partner", text.WrongNoShare(strconv.FormatInt(said.Partner, 10)), text.FixChoice(strings.Join(names, ", "))))
}

func refused(wrong ...fault.Field) error {
	return &fault.Error{Kind: fault.Invalid, Code: "refused", Fields: wrong}
}

// ReviewOrders does the same for several orders, at most MaxReviewed. The number is 0 for each order that is not there.
func ReviewOrders(ctx context.Context, tx pgx.Tx, said []commission.Reviewed, author, note string) (numbers []int64, err error) {
	if len(said) > MaxReviewed {
		return nil, fault.Coded(fault.TooLarge, "too_many_orders", nil)
	}
	if wrong := wrongNote(note); len(wrong) > 0 {
		return nil, refused(wrong...)
	}
	contents, refs := make([][]byte, len(said)), make([]string, len(said))
	for i := range said {
		if wrong := said[i].Check(); len(wrong) > 0 {
			return nil, refused(wrong...)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("minting the id of a review: %w", err)
		}
		refs[i] = id.String()
		if contents[i], err = json.Marshal(&said[i]); err != nil {
			return nil, fmt.Errorf("writing a review: %w", err)
		}
	}
	// name: review orders
	rows, err := tx.Query(ctx, `SELECT coalesce(review_order(content, ref, $3, $4), 0) FROM unnest($1::bytea[], $2::text[]) WITH ORDINALITY s (content, ref, n) ORDER BY n`,
		contents, refs, author, note)
	if err == nil {
		numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if err != nil {
		return nil, fmt.Errorf("writing %d reviews: %w", len(said), err)
	}
	return numbers, nil
}

// withdrawn is the effect of a review that was withdrawn before.
const withdrawn = "withdrawn"

// TooLateError says that a review cannot be withdrawn, since the engine has taken it.
type TooLateError struct {
	Taken time.Time
	// Effect is empty where the review did what it says, else a code of why it did nothing, or that it was "withdrawn" already.
	Effect string
}

// Error says when it was taken.
func (e *TooLateError) Error() string {
	if e.Effect == withdrawn {
		return "it was withdrawn already, at " + e.Taken.UTC().Format(time.RFC3339)
	}
	text := "it is too late to withdraw it: it was taken at " + e.Taken.UTC().Format(time.RFC3339)
	if e.Effect != "" {
		text += ", and did nothing: " + e.Effect
	}
	return text
}

// UndoReview withdraws a review of the side that the transaction acts for. Where the engine has taken it that is a
// *TooLateError; a review that is not there, or another side's, is a fault.NotFound.
func UndoReview(ctx context.Context, tx pgx.Tx, no int64, author, note string) error {
	if wrong := wrongNote(note); len(wrong) > 0 {
		return refused(wrong...)
	}
	var known, undone bool
	var taken *time.Time
	var effect *string
	// name: undo review
	err := tx.QueryRow(ctx, `SELECT known, coalesce(undone, false), taken, effect FROM undo_review($1, $2, $3)`, no, author, note).
		Scan(&known, &undone, &taken, &effect)
	switch {
	case err != nil:
		return fmt.Errorf("withdrawing review %d: %w", no, err)
	case !known:
		return fault.Detailed(fault.NotFound, "not_found", text.DetailReviewUnknown(strconv.FormatInt(no, 10)), nil)
	case undone:
		return nil
	case taken == nil || effect == nil:
		return errors.New("withdrawing a review: it is neither withdrawn nor taken")
	}
	return &TooLateError{Taken: taken.UTC(), Effect: *effect}
}
