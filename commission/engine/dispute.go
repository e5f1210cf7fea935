package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"tributary/commission"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/access"
)

// Why the database takes no dispute, or not what became of one.
const (
	CodeUnknownDispute     = "unknown_dispute"
	CodeDisputeWithoutSale = "dispute_without_sale"
	CodeTooManyDisputes    = "too_many_disputes"
	CodeDisputeNotTaken    = "dispute_not_taken"
	CodeDisputeSettled     = "dispute_settled"
)

const (
	maxDisputeID   = 128 // bytes
	maxDisputeNote = 500 // characters
)

// OpenDispute has the merchant of the transaction's scope, or the operator, say that a customer disputes an order, in the state that
// it is open, and gives the dispute's number. The engine takes it in ten seconds later; until then UndoReview withdraws it by the
// number. What is wrong with it is the fault "bad_dispute" with its fields; an order that is not theirs is not found, and one of
// which the sale is not known yet, or that has commission.MaxDisputes, a conflict.
func OpenDispute(ctx context.Context, tx pgx.Tx, d commission.Disputed, author, note string) (no int64, err error) {
	d.Order, d.Dispute = norm.NFC.String(strings.TrimSpace(d.Order)), norm.NFC.String(strings.TrimSpace(d.Dispute)) // as reports have it
	note = strings.TrimSpace(note)
	bad := checkDispute(&d)
	if bad = append(bad, checkDisputeNote(note)...); len(bad) > 0 {
		return 0, badDispute(bad...)
	}
	var amount, row *int64
	if !d.Whole {
		amount = &d.Amount
	}
	var problem *string
	err = tx.QueryRow(ctx, `SELECT row_no, problem FROM open_dispute($1, $2, $3, $4, $5, $6, $7)`,
		d.Merchant, d.Order, int16(d.Keys), d.Dispute, amount, author, note).Scan(&row, &problem)
	switch {
	case err != nil:
		return 0, fmt.Errorf("opening a dispute: %w", err)
	case problem == nil:
		return *row, nil
	case *problem == "unknown_order":
		return 0, fault.Detailed(fault.NotFound, *problem, text.DetailOrderUnknown(d.Order), nil)
	case *problem == "disputed_already":
		return 0, badDispute(fault.Wrong("dispute", text.WrongDisputedAlready(), text.FixAnother()))
	case *problem == "dispute_too_much":
		return 0, badDispute(fault.Wrong("amount", text.WrongDisputeTooMuch(), text.FixDisputeLess()))
	}
	return 0, fault.Coded(fault.Conflict, *problem, nil)
}

// checkDispute says what is wrong with a dispute that is opened.
func checkDispute(d *commission.Disputed) (bad []fault.Field) {
	unseen := func(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }
	switch {
	case d.Dispute == "":
		bad = append(bad, fault.Wrong("dispute", text.WrongMissing(), text.FixDisputeID()))
	case len(d.Dispute) > maxDisputeID:
		bad = append(bad, fault.Wrong("dispute", text.WrongBytes(strconv.Itoa(len(d.Dispute))), text.FixGiveAtMost(strconv.Itoa(maxDisputeID))))
	case !utf8.ValidString(d.Dispute) || strings.ContainsFunc(d.Dispute, unseen):
		bad = append(bad, fault.Wrong("dispute", text.WrongCodeInvisible(), text.FixRemove()))
	}
	d.State = commission.DisputeOpen
	return append(bad, d.Check()...)
}

func checkDisputeNote(note string) []fault.Field {
	if n := utf8.RuneCountInString(note); n > maxDisputeNote || !utf8.ValidString(note) || strings.ContainsRune(note, 0) {
		return []fault.Field{fault.Wrong("note", text.WrongLabelSize(int64(len(note))), text.FixGiveAtMost(strconv.Itoa(maxDisputeNote)))}
	}
	return nil
}

func badDispute(fields ...fault.Field) error {
	return &fault.Error{Kind: fault.Invalid, Code: "bad_dispute", Fields: fields}
}

// SettleDispute has the merchant of the transaction's scope, or the operator, say that a dispute is won or lost, and gives the number
// by which UndoReview withdraws that for ten seconds. A dispute that is not theirs is the fault.NotFound CodeUnknownDispute; one
// that has not taken effect, and one that is settled, are the conflicts CodeDisputeNotTaken and CodeDisputeSettled. Another state is the fault "bad_dispute".
func SettleDispute(ctx context.Context, tx pgx.Tx, dispute int64, state commission.DisputeState, author, note string) (no int64, err error) {
	if state == commission.DisputeOpen || !slices.Contains(commission.DisputeStates(), state) {
		return 0, badDispute(fault.Wrong("state", text.WrongChoice(strconv.Quote(string(state))), text.FixDisputeState()))
	}
	if note = strings.TrimSpace(note); len(checkDisputeNote(note)) > 0 {
		return 0, badDispute(checkDisputeNote(note)...)
	}
	var row *int64
	var problem *string
	err = tx.QueryRow(ctx, `SELECT row_no, problem FROM settle_dispute($1, $2, $3, $4)`, dispute, state, author, note).Scan(&row, &problem)
	switch {
	case err != nil:
		return 0, fmt.Errorf("settling a dispute: %w", err)
	case problem == nil:
		return *row, nil
	case *problem == CodeUnknownDispute:
		return 0, fault.Coded(fault.NotFound, CodeUnknownDispute, nil)
	}
	return 0, fault.Coded(fault.Conflict, *problem, nil)
}

// OpenDispute is OpenDispute for somebody on a page.
func (d *Desk) OpenDispute(ctx context.Context, scope access.Scope, said commission.Disputed, author, note string) (no int64, err error) {
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		no, err = OpenDispute(ctx, tx, said, author, note)
		return err
	})
	return no, err
}

// SettleDispute is SettleDispute for somebody on a page.
func (d *Desk) SettleDispute(ctx context.Context, scope access.Scope, dispute int64, state commission.DisputeState, author, note string) (no int64, err error) {
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		no, err = SettleDispute(ctx, tx, dispute, state, author, note)
		return err
	})
	return no, err
}
