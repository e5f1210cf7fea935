package access

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// CreateLink makes a link of the scope's partner, in a program that the partner is in; any other program is not found, as
// if it did not exist.
func (db *DB) CreateLink(ctx context.Context, scope Scope, n partners.NewLink) (made *partners.Link, err error) {
	n.Partner = scope.Partner
	err = db.Change(ctx, scope, func(tx pgx.Tx) error {
		is, err := partners.Enrolled(ctx, tx, n.Program, n.Partner)
		if err != nil {
			return err
		}
		if !is {
			return fault.Coded(fault.NotFound, "not_found", nil)
		}
		made, err = partners.CreateLink(ctx, tx, n)
		return err
	})
	return made, err
}

// CloseLink ends a link of the scope's partner.
func (db *DB) CloseLink(ctx context.Context, scope Scope, id program.LinkID) error {
	return db.Change(ctx, scope, func(tx pgx.Tx) error { return partners.CloseLink(ctx, tx, scope.Partner, id) })
}

// SetTerms adds terms to a program of the scope's merchant, and returns their number. The network's fee and the rules by which
// orders are decided are none of the merchant's: they stay those of the terms in force at the time from which they take effect,
// but for the least number that the document needs.
func (db *DB) SetTerms(ctx context.Context, scope Scope, id program.ProgramID, v program.Version) (number int, err error) {
	err = db.Change(ctx, scope, func(tx pgx.Tx) error {
		versions, err := partners.ReadKnownTerms(ctx, tx, id)
		if err != nil {
			return err
		}
		before, next := program.InForce(versions[id], v.EffectiveFrom)
		if before == nil {
			before = next
		}
		if scope.Merchant == 0 || before == nil {
			return fault.Coded(fault.NotFound, "not_found", nil)
		}
		if before.Unreadable != nil {
			return fault.Coded(fault.Conflict, "later_terms", before.Unreadable)
		}
		v.Rules, v.Document.NetworkFee = before.Rules, before.Document.NetworkFee
		number, err = partners.AddTerms(ctx, tx, id, v)
		return err
	})
	return number, err
}

// AddFact says what holds for a partner of a program of the scope's merchant; states are for SetState.
func (db *DB) AddFact(ctx context.Context, scope Scope, f partners.Fact) error {
	if scope.Merchant == 0 || f.Kind == program.FactAccept || f.Kind == program.FactState {
		return fault.Coded(fault.NotFound, "not_found", nil)
	}
	return db.addFact(ctx, scope, f)
}

// SetState states where a partner stands in a program that the scope sees, and gives from when on: the scope's own partner, where there
// is one. Which steps are whose to take is in program.Steps.
func (db *DB) SetState(ctx context.Context, scope Scope, n partners.NewState) (from time.Time, err error) {
	if scope.Partner != 0 {
		n.Partner = scope.Partner
	}
	err = db.Change(ctx, scope, func(tx pgx.Tx) error {
		is, err := partners.Enrolled(ctx, tx, n.Program, n.Partner)
		if err != nil {
			return err
		}
		if !is {
			return fault.Coded(fault.NotFound, "not_found", nil)
		}
		from, err = partners.SetState(ctx, tx, n)
		return err
	})
	return from, err
}

// AcceptTerms has the scope's partner accept a version of the terms of a program.
func (db *DB) AcceptTerms(ctx context.Context, scope Scope, author string, id program.ProgramID, version int) error {
	return db.addFact(ctx, scope, partners.Fact{
		Program: id, Partner: scope.Partner, Author: author, Fact: program.Fact{Kind: program.FactAccept, Value: strconv.Itoa(version)},
	})
}

// addFact adds a fact of an enrolment that the scope sees; any other is not found, as if it did not exist.
func (db *DB) addFact(ctx context.Context, scope Scope, f partners.Fact) error {
	return db.Change(ctx, scope, func(tx pgx.Tx) error {
		is, err := partners.Enrolled(ctx, tx, f.Program, f.Partner)
		if err != nil {
			return err
		}
		if !is {
			return fault.Coded(fault.NotFound, "not_found", nil)
		}
		_, err = partners.AddFact(ctx, tx, f)
		return err
	})
}

// A NewKey is an API key to be issued.
type NewKey struct {
	Label  string
	Scopes partners.Scope
	Signs  bool
}

// An IssuedKey is a key as nobody can see it again. Text is the key itself, or the secret of one that signs.
type IssuedKey struct {
	ID   program.KeyID
	Text string
}

// MaxKeys bounds the live keys of a merchant.
const MaxKeys = 20

// The codes of the faults that IssueKey gives, both conflicts.
const (
	CodeKeyLabel    = "key_label_in_use"
	CodeTooManyKeys = "too_many_keys"
)

// issuing is the class of the locks under which keys are counted.
const issuing = 8402

// IssueKey makes a key of the scope's merchant. A label that a live key has, and a key beyond MaxKeys, are conflicts.
func (db *DB) IssueKey(ctx context.Context, scope Scope, n NewKey) (issued IssuedKey, err error) {
	err = db.Change(ctx, scope, func(tx pgx.Tx) error {
		// One at a time: two at once would not see each other's.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2::int)`, issuing, int64(scope.Merchant)%(1<<31)); err != nil {
			return fmt.Errorf("waiting for another key to be issued: %w", err)
		}
		live, labelled, err := partners.LiveKeys(ctx, tx, scope.Merchant, n.Label)
		switch {
		case err != nil:
			return err
		case labelled > 0:
			return fault.Coded(fault.Conflict, CodeKeyLabel, nil)
		case live >= MaxKeys:
			return fault.Coded(fault.Conflict, CodeTooManyKeys, nil)
		case n.Signs:
			issued.Text, issued.ID, err = partners.IssueSigner(ctx, tx, scope.Merchant, n.Label, n.Scopes)
		default:
			issued.Text, issued.ID, err = partners.IssueKey(ctx, tx, scope.Merchant, n.Label, n.Scopes)
		}
		return err
	})
	return issued, err
}

// RevokeKey ends a key of the scope's merchant.
func (db *DB) RevokeKey(ctx context.Context, scope Scope, id program.KeyID) error {
	return db.Change(ctx, scope, func(tx pgx.Tx) error { return partners.RevokeKey(ctx, tx, scope.Merchant, id) })
}

// AddCoupon adds a coupon to a program of the scope's merchant, by the name of who does.
func (db *DB) AddCoupon(ctx context.Context, scope Scope, id program.ProgramID, author string, n partners.NewCoupon) (added partners.AddedCoupon, err error) {
	err = db.changeOfMerchant(ctx, scope, func(tx pgx.Tx) (err error) {
		added, err = partners.AddCoupon(ctx, tx, id, author, n)
		return err
	})
	return added, err
}

// AddCoupons adds coupons to a program of the scope's merchant, and says of each what became of it.
func (db *DB) AddCoupons(ctx context.Context, scope Scope, id program.ProgramID, author string, list []partners.NewCoupon) (added []partners.AddedCoupon, err error) {
	err = db.changeOfMerchant(ctx, scope, func(tx pgx.Tx) (err error) {
		added, err = partners.AddCoupons(ctx, tx, id, author, list)
		return err
	})
	return added, err
}

// AddCouponFile adds a file of coupons to a program of the scope's merchant.
func (db *DB) AddCouponFile(ctx context.Context, scope Scope, id program.ProgramID, author string, file []byte) (lines []partners.CouponLine, err error) {
	err = db.changeOfMerchant(ctx, scope, func(tx pgx.Tx) (err error) {
		lines, err = partners.AddCouponFile(ctx, tx, id, author, file)
		return err
	})
	return lines, err
}

// EndCoupon ends a coupon of the scope's merchant, and returns from when on.
func (db *DB) EndCoupon(ctx context.Context, scope Scope, id program.CouponID, author string, end partners.CouponEnd) (from time.Time, err error) {
	err = db.changeOfMerchant(ctx, scope, func(tx pgx.Tx) (err error) {
		from, err = partners.EndCoupon(ctx, tx, id, author, end)
		return err
	})
	return from, err
}

// changeOfMerchant is Change for a merchant alone: a partner sees programs and coupons that are not theirs to change.
func (db *DB) changeOfMerchant(ctx context.Context, scope Scope, work func(tx pgx.Tx) error) error {
	if scope.Merchant == 0 {
		return fault.Coded(fault.NotFound, "not_found", nil)
	}
	return db.Change(ctx, scope, work)
}
