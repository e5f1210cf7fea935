package engine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/outbox"
	"tributary/internal/position"
	"tributary/internal/text"
)

// An EnteredLine is a manual line as it was entered.
type EnteredLine struct {
	No int64
	// Waits tells that a second person must approve it: it is more than its author may enter for the partner within 24 hours.
	Waits bool
}

// AddManualLine enters a line for the side that the transaction acts for (app_operator, app_merchant). It is posted ten seconds
// later, or ten seconds after a second person has approved it where it waits for one (commission.AloneUpTo). What is wrong with it,
// as a period of another currency, is a fault.Invalid; a merchant, partner or period that is not the side's is a fault.NotFound.
func AddManualLine(ctx context.Context, tx pgx.Tx, l commission.ManualLine, author string) (entered EnteredLine, err error) {
	if wrong := l.Check(); len(wrong) > 0 {
		return entered, badLine(wrong...)
	}
	var no *int64
	var waits *bool
	var problem string
	// name: manual line
	err = tx.QueryRow(ctx, `SELECT no, waits, problem FROM add_manual_line($1, $2, $3, $4, $5, nullif($6::bigint, 0), $7, $8, $9)`,
		l.Merchant, l.Partner, l.Unit, l.Amount, l.Payer, l.Period, commission.AloneUpTo, author, l.Note).Scan(&no, &waits, &problem)
	switch {
	case err != nil:
		return entered, fmt.Errorf("entering a manual line: %w", err)
	case problem == "other_unit":
		return entered, badLine(fault.Wrong("currency", text.WrongPeriodUnit(l.Unit), text.FixPeriodUnit()))
	case problem != "":
		return entered, fault.Detailed(fault.NotFound, "not_found", text.DetailManualUnknown(), nil)
	}
	return EnteredLine{*no, *waits}, nil
}

func badLine(wrong ...fault.Field) error {
	return &fault.Error{Kind: fault.Invalid, Code: "bad_manual_line", Fields: wrong}
}

// A ManualVerdict is what becomes of a line that was entered.
type ManualVerdict string

// The verdicts. Approve and Decline are of a line that waits for a second person; Withdraw is of whoever's side entered it, while
// it is not posted.
const (
	ApproveLine  ManualVerdict = "approve"
	DeclineLine  ManualVerdict = "decline"
	WithdrawLine ManualVerdict = "withdraw"
)

// Why the database does not take a verdict.
const (
	CodeManualNotYours   = "manual_not_yours"
	CodeManualSamePerson = "manual_same_person"
	CodeManualNotWaiting = "manual_not_waiting"
	CodeManualTooLate    = "manual_too_late"
)

// DecideManualLine approves, declines or withdraws a line for the side that the transaction acts for. A line that is not the
// side's is a fault.NotFound; what cannot be done with it any more, or by this person, a fault.Conflict whose code says why.
func DecideManualLine(ctx context.Context, tx pgx.Tx, no int64, said ManualVerdict, author, note string) error {
	var became string
	// name: manual verdict
	if err := tx.QueryRow(ctx, `SELECT decide_manual_line($1, $2, $3, $4)`, no, said, author, note).Scan(&became); err != nil {
		return fmt.Errorf("deciding manual line %d: %w", no, err)
	}
	switch became {
	case "done":
		return nil
	case "unknown":
		return fault.Coded(fault.NotFound, "not_found", nil)
	}
	return fault.Coded(fault.Conflict, "manual_"+became, nil) // one of the codes above
}

// manualLine posts a line, as of when its row was made.
func (l *lane) manualLine(ctx context.Context, tx pgx.Tx, at *position.Position, row inbox.Row) error {
	no, err := strconv.ParseInt(row.Ref, 10, 64)
	if err != nil {
		return &recordError{cause: fmt.Errorf("reading the number of a manual line: %w", err)}
	}
	var m commission.ManualLine
	// name: manual line read
	err = tx.QueryRow(ctx, `SELECT merchant_id, partner_id, unit, amount, payer FROM manual_line WHERE no = $1`, no).
		Scan(&m.Merchant, &m.Partner, &m.Unit, &m.Amount, &m.Payer)
	if err != nil {
		return fmt.Errorf("reading manual line %d: %w", no, err)
	}
	move := m.Movement(row.At.UTC())
	var changed steps
	changed.move(owner{Earner: commission.Earner{Partner: m.Partner, Unit: m.Unit}, further: true}, []commission.Movement{move})
	e, err := event.New(time.Now(), move.At)
	if err != nil {
		return fmt.Errorf("the ledger event of manual line %d: %w", no, err)
	}
	var room telling
	said := changed.all[0].ledger(m.Unit, &room)
	said.Version, said.MerchantId, said.Currency, said.OrderedAt = 1, int64(m.Merchant), m.Unit, event.Micros(move.At)
	e.Body = &room.body
	batch := &pgx.Batch{}
	out := outbox.Ledger().Pack(batch, l.held.Partition, &at.Out)
	if err := out.Add(row.Key, e); err != nil {
		return err
	}
	out.End()
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("writing manual line %d: %w", no, err)
	}
	return l.books.Post(ctx, tx, []ledger.Posting{{
		Source: chart.OfJournal, No: no, Version: 1, Debit: accountOf(&move, move.Debit), Credit: accountOf(&move, move.Credit), Amount: move.Amount, EffectiveAt: move.At,
	}})
}
