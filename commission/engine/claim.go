package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/position"
	"tributary/internal/text"
	"tributary/partners/access"
	"tributary/partners/program"
)

// NewClaim is what a partner says of an order.
type NewClaim struct {
	Program program.ProgramID
	// Order is the merchant's id of it, and Click a click id by which the customer came, or empty. Both have at most 128 bytes.
	Order, Click string
	// Note says why it is theirs, in at most 500 characters.
	Note string
}

// maxClaimed bounds the order and the click of a claim, in bytes, as of an order's id.
const maxClaimed = 128

// check gives what is wrong with a claim, and brings its texts into the form in which reports have them.
func (c *NewClaim) check() (bad []fault.Field) {
	c.Order, c.Click, c.Note = norm.NFC.String(strings.TrimSpace(c.Order)), strings.TrimSpace(c.Click), strings.TrimSpace(c.Note)
	unseen := func(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }
	for _, said := range [...]struct{ name, value string }{{"order", c.Order}, {"click", c.Click}} {
		switch {
		case len(said.value) > maxClaimed:
			bad = append(bad, fault.Wrong(said.name, text.WrongBytes(strconv.Itoa(len(said.value))), text.FixGiveAtMost(strconv.Itoa(maxClaimed))))
		case !utf8.ValidString(said.value) || strings.ContainsFunc(said.value, unseen):
			bad = append(bad, fault.Wrong(said.name, text.WrongCodeInvisible(), text.FixRemove()))
		}
	}
	if c.Order == "" {
		bad = append(bad, fault.Wrong("order", text.WrongMissing(), text.FixClaimedOrder()))
	}
	return append(bad, wrongReason(c.Note)...)
}

// Claim has the partner of the scope claim an order of a program's merchant, whether there is such an order or not, and gives the
// claim's number. What is wrong with it is the fault "bad_claim" with its fields, too many open claims the conflict
// CodeTooManyClaims, and a program that the partner is not in is not found.
func (d *Desk) Claim(ctx context.Context, scope access.Scope, c NewClaim, author string) (no int64, err error) {
	if bad := c.check(); len(bad) > 0 {
		return 0, badClaim(bad...)
	}
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		no, err = c.write(ctx, tx, d.Partitions, author)
		return err
	})
	return no, err
}

func badClaim(fields ...fault.Field) error {
	return &fault.Error{Kind: fault.Invalid, Code: "bad_claim", Fields: fields}
}

// write has the partner of the transaction's scope claim the order.
func (c *NewClaim) write(ctx context.Context, tx pgx.Tx, partitions int, author string) (no int64, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return 0, fmt.Errorf("minting the id of a claim: %w", err)
	}
	var merchant int64
	// name: merchant of a program; nobody's programs are refused later
	if err := tx.QueryRow(ctx, `SELECT coalesce((SELECT merchant_id FROM program WHERE id = $1), 0)`, c.Program).Scan(&merchant); err != nil {
		return 0, fmt.Errorf("looking for the merchant of a claim: %w", err)
	}
	var claim *int64
	var problem *string
	err = tx.QueryRow(ctx, `SELECT claim, problem FROM claim_order($1, $2, $3, $4, $5, $6, $7)`,
		c.Program, c.Order, c.Click, id.String(), event.Lane(event.OrderKey(merchant, c.Order), partitions), author, c.Note).Scan(&claim, &problem)
	switch {
	case err != nil:
		return 0, fmt.Errorf("claiming an order: %w", err)
	case problem == nil:
		return *claim, nil
	case *problem == "not_enrolled":
		return 0, fault.Coded(fault.NotFound, "not_found", nil)
	case *problem == "claimed_already":
		return 0, badClaim(fault.Wrong("order", text.WrongClaimedAlready(), text.FixClaimedAlready()))
	}
	return 0, fault.Coded(fault.Conflict, *problem, nil)
}

// Why the database takes no claim, or no answer to one.
const (
	CodeTooManyClaims     = "too_many_claims"
	CodeClaimSettled      = "claim_settled"
	CodeClaimWithoutOrder = "claim_without_order"
	CodeClaimTooLate      = "claim_too_late"
	CodeClaimOfAnother    = "claim_of_another"
)

// Answer is SettleClaim for somebody on a page.
func (d *Desk) Answer(ctx context.Context, scope access.Scope, claim int64, outcome commission.ClaimOutcome, author, note string) (no int64, err error) {
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		no, err = SettleClaim(ctx, tx, claim, outcome, author, note)
		return err
	})
	return no, err
}

// TakeBack withdraws an answer by its number. Where the engine has taken it that is a *TooLateError.
func (d *Desk) TakeBack(ctx context.Context, scope access.Scope, no int64, author string) error {
	return d.DB.Change(ctx, scope, func(tx pgx.Tx) error { return UndoReview(ctx, tx, no, author, "") })
}

// SettleClaim has the merchant of the transaction's scope, or the operator, grant or decline a claim. The engine takes it in ten
// seconds later; until then UndoReview withdraws it by the number that it gives. A claim that is not theirs is the fault.NotFound
// "unknown_claim"; the conflicts are "claim_settled", and of a grant "claim_without_order", "claim_too_late" and
// "claim_of_another", where another partner's was granted.
func SettleClaim(ctx context.Context, tx pgx.Tx, claim int64, outcome commission.ClaimOutcome, author, note string) (no int64, err error) {
	if outcome == commission.ClaimIsOpen || !slices.Contains(commission.ClaimOutcomes(), outcome) {
		return 0, fault.Coded(fault.NotFound, "unknown_claim", nil)
	}
	note = strings.TrimSpace(note)
	if wrong := wrongReason(note); len(wrong) > 0 {
		return 0, badClaim(wrong...)
	}
	var row *int64
	var problem *string
	err = tx.QueryRow(ctx, `SELECT row_no, problem FROM settle_claim($1, $2, $3, $4)`, claim, outcome, author, note).Scan(&row, &problem)
	switch {
	case err != nil:
		return 0, fmt.Errorf("settling a claim: %w", err)
	case problem == nil:
		return *row, nil
	case *problem == "unknown_claim":
		return 0, fault.Coded(fault.NotFound, *problem, nil)
	}
	return 0, fault.Coded(fault.Conflict, *problem, nil)
}

// claim takes in what was said about a claim: its order is decided again. What is said of an order that was not reported yet waits
// for it.
func (l *lane) claim(ctx context.Context, tx pgx.Tx, p *position.Position, row inbox.Row, said commission.Claimed, t *txSummary) error {
	if lane := event.Lane(row.Key, l.cfg.Partitions); lane != l.held.Partition {
		return &recordError{cause: fmt.Errorf("order %q of merchant %d belongs to partition %d, not %d", said.Order, said.Merchant, lane, l.held.Partition), certain: true}
	}
	orders, err := l.gather(ctx, tx, []orderKey{{said.Merchant, said.Keys, said.Order}})
	if err != nil {
		return err
	}
	if sold, known := l.programs.Program(said.Program); !known || int64(sold.Merchant) != said.Merchant {
		return &recordError{cause: fmt.Errorf("program %d is not one of merchant %d", said.Program, said.Merchant), certain: true}
	}
	if !orders[0].known {
		_, err := tx.Exec(ctx, `INSERT INTO claim_waiting (no, lane, merchant_id, order_id) VALUES ($1, $2, $3, $4)`, row.No, l.held.Partition, said.Merchant, said.Order)
		if err != nil {
			return fmt.Errorf("keeping a claim until its order is reported: %w", err)
		}
		return nil
	}
	if err := l.decide(ctx, tx, orders); err != nil {
		return err
	}
	return l.post(ctx, tx, p, orders, admitted{}, t)
}

// claimsAtOnce is how many claims that wait for their order a lane looks at in one go.
const claimsAtOnce = 200

// joinWaiting has claims behind the last that was looked at become part of their order, where that has been reported since, and the
// order decided again.
const joinWaiting = `
WITH looked AS MATERIALIZED (
  SELECT w.no, o.no AS order_no
    FROM (SELECT * FROM claim_waiting WHERE lane = $1 AND no > $2 ORDER BY no LIMIT $3) w
    LEFT JOIN LATERAL (SELECT no FROM orders WHERE merchant_id = w.merchant_id AND order_id = w.order_id AND keys = 0 OFFSET 0) o ON true
), joined AS (
  DELETE FROM claim_waiting w USING looked l WHERE w.no = l.no AND l.order_no IS NOT NULL RETURNING l.order_no
), nudged AS (
  INSERT INTO nudge (lane, order_no) SELECT DISTINCT $1::int, order_no FROM joined)
SELECT count(*), coalesce(max(no), 0) FROM looked`

// joinClaims looks at claims that wait for their order. It goes round: each time it looks at the next ones, so it costs the same
// however many wait.
func (l *lane) joinClaims(ctx context.Context) (more bool, err error) {
	var looked int
	err = l.cfg.DB.QueryRow(ctx, joinWaiting, l.held.Partition, l.claimsSeen, claimsAtOnce).Scan(&looked, &l.claimsSeen)
	if err != nil {
		return false, fmt.Errorf("looking for orders that were claimed: %w", err)
	}
	if looked < claimsAtOnce {
		l.claimsSeen = 0
	}
	return false, nil
}
