package partners

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
)

// NewCoupon is a coupon or referral code to be added.
type NewCoupon struct {
	// Code is as its owner writes it, of at most 64 characters.
	Code string
	// Kind is a coupon's when empty.
	Kind program.CouponKind
	// Partner is whose it is; 0 for a merchant's own.
	Partner   program.PartnerID
	Exclusive bool
	// From is when it takes effect: a minute from now or later, or as soon as it may when zero. Before the merchant's first
	// order an operator may have it begin in the past.
	From time.Time
	// Until is when it is no longer in force; zero for no end.
	Until time.Time
	Note  string
}

// AddedCoupon is what became of a NewCoupon.
type AddedCoupon struct {
	// ID is 0 where there are Problems.
	ID program.CouponID
	// From is when it takes effect.
	From time.Time
	// Already tells that an equal one was there.
	Already bool
	// Problems are what is wrong with it, by the names code, kind, partner, exclusive, from, until and note.
	Problems []fault.Field
}

const (
	// MaxCode is how many characters a code may have.
	MaxCode = 64
	// MaxCouponNote is how many characters a note may have.
	MaxCouponNote = 500
	// soon is how far ahead what takes effect as soon as it may does so: the transaction must end before.
	soon = program.Ahead + 10*time.Second
)

// Soon is when a fact written now takes effect that is to do so as soon as it may: on a whole second.
func Soon(now time.Time) time.Time { return now.Add(soon).UTC().Truncate(time.Second) }

// AddCoupons adds coupons to a program, in the caller's transaction. What is wrong with some keeps back none of the others:
// the answer says for each what became of it. A coupon that is there already is not added twice.
func AddCoupons(ctx context.Context, tx pgx.Tx, id program.ProgramID, author string, list []NewCoupon) ([]AddedCoupon, error) {
	if _, err := readTargetRules(ctx, tx, id); err != nil {
		return nil, err
	}
	// Whoever else adds coupons of the program waits, so that what is found stays so.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('coupon ' || $1::bigint, 0))`, id); err != nil {
		return nil, fmt.Errorf("waiting for others who add coupons: %w", err)
	}
	there, err := couponsOfCodes(ctx, tx, id, list)
	if err != nil {
		return nil, err
	}
	enrolled, err := enrolledOf(ctx, tx, id, list)
	if err != nil {
		return nil, err
	}
	now, earliest := time.Now(), time.Now().Add(program.Ahead)
	var back bool
	if err := tx.QueryRow(ctx, `SELECT may_reach_back($1)`, id).Scan(&back); err != nil {
		return nil, fmt.Errorf("looking for orders of before: %w", err)
	}
	if back {
		earliest = time.Time{}
	}
	added, batch := make([]AddedCoupon, len(list)), &pgx.Batch{}
	for i, n := range list {
		a := &added[i]
		if a.Problems = n.check(now, earliest); len(a.Problems) > 0 {
			continue
		}
		if n.Partner != 0 && !enrolled[n.Partner] {
			a.Problems = append(a.Problems, fault.Wrong("partner", text.WrongNotEnrolled(), text.FixChooseEnrolled()))
			continue
		}
		c := n.coupon(id, now)
		if other := overlapping(there[c.Code], &c); other != nil {
			if !other.sameAs(&c, n.From.IsZero()) {
				a.Problems = append(a.Problems, fault.Wrong("code", text.WrongCodeTaken(n.Code), text.FixCodeTaken()))
				continue
			}
			a.ID, a.From, a.Already = other.ID, other.From, true
			continue
		}
		a.From = c.From
		there[c.Code] = append(there[c.Code], c)
		batch.Queue(`INSERT INTO coupon (program_id, code, written, kind, partner_id, exclusive, effective_from, effective_until, author, note)
			VALUES ($1, $2, $3, $4, nullif($5::bigint, 0), $6, $7, $8, $9, $10) RETURNING id`,
			id, c.Code, c.Written, c.Kind, c.Partner, c.Exclusive, c.From, orNull(c.Until), author, strings.TrimSpace(n.Note)).
			QueryRow(func(row pgx.Row) error { return row.Scan(&a.ID) })
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("adding coupons: %w", AsFault(err))
	}
	return added, nil
}

// AddCoupon adds one coupon. What is wrong with it is the fault "bad_coupon" with its fields; one that is there already is not
// added twice.
func AddCoupon(ctx context.Context, tx pgx.Tx, id program.ProgramID, author string, n NewCoupon) (AddedCoupon, error) {
	added, err := AddCoupons(ctx, tx, id, author, []NewCoupon{n})
	if err != nil {
		return AddedCoupon{}, err
	}
	if bad := added[0].Problems; len(bad) > 0 {
		return AddedCoupon{}, &fault.Error{Kind: fault.Invalid, Code: "bad_coupon", Fields: bad}
	}
	return added[0], nil
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// coupon is what n makes.
func (n *NewCoupon) coupon(id program.ProgramID, now time.Time) Coupon {
	c := Coupon{
		Program: id, Code: program.NormalCode(n.Code), Written: strings.TrimSpace(n.Code), Kind: n.Kind, Partner: n.Partner, Exclusive: n.Exclusive,
		From: n.From.UTC().Truncate(time.Microsecond), Until: n.Until.Truncate(time.Microsecond), // as the table keeps them
	}
	if c.Kind == "" {
		c.Kind = program.CouponCode
	}
	if n.From.IsZero() {
		c.From = Soon(now)
	}
	return c
}

// Check gives what is wrong with a coupon by itself, but for when it takes effect.
func (n *NewCoupon) Check(now time.Time) []fault.Field { return n.check(now, time.Time{}) }

// check gives what is wrong with a coupon by itself, which takes effect at the earliest time or later.
func (n *NewCoupon) check(now, earliest time.Time) (bad []fault.Field) {
	note := func(name string, problem, fix text.Message) { bad = append(bad, fault.Wrong(name, problem, fix)) }
	c := n.coupon(0, now)
	switch {
	case c.Written == "":
		note("code", text.WrongNoCode(), text.FixNoCode())
	case !utf8.ValidString(c.Written) || strings.ContainsFunc(c.Written, func(r rune) bool { return invisible(r) || unicode.Is(unicode.Co, r) }):
		note("code", text.WrongCodeInvisible(), text.FixCodeInvisible())
	case max(utf8.RuneCountInString(c.Written), utf8.RuneCountInString(c.Code)) > MaxCode:
		note("code", text.WrongCodeSize(int64(utf8.RuneCountInString(c.Written))), text.FixGiveAtMost("64"))
	}
	switch {
	case c.Kind != program.CouponCode && c.Kind != program.ReferralCode:
		note("kind", text.WrongCouponKind(string(c.Kind)), text.FixCouponKind())
	case c.Partner == 0 && c.Kind == program.ReferralCode:
		note("partner", text.WrongCodeOfNobody(), text.FixNamePartner())
	case c.Partner == 0 && c.Exclusive:
		note("partner", text.WrongExclusiveOfNobody(), text.FixExclusiveOfNobody())
	}
	if c.From.Before(earliest) {
		note("from", text.WrongTooSoon(), text.FixTooSoon())
	}
	if !c.Until.IsZero() && !c.Until.After(c.From) {
		note("until", text.WrongUntil(), text.FixUntil())
	}
	if badNote(n.Note) {
		note("note", text.WrongLabelSize(int64(len(n.Note))), text.FixGiveAtMost("500"))
	}
	return bad
}

// badNote tells whether a note is too long, or no text that a database can hold.
func badNote(note string) bool {
	return utf8.RuneCountInString(note) > MaxCouponNote || !utf8.ValidString(note) || strings.ContainsRune(note, 0)
}

// overlapping finds the coupon of a code that is in force at some time at which c would be.
func overlapping(of []Coupon, c *Coupon) *Coupon {
	for i := range of {
		o := &of[i]
		if (c.Until.IsZero() || o.From.Before(c.Until)) && (o.Until.IsZero() || c.From.Before(o.Until)) {
			return o
		}
	}
	return nil
}

// sameAs tells whether a coupon is what another would be, whenever it began where anytime is set.
func (c *Coupon) sameAs(other *Coupon, anytime bool) bool {
	return c.Kind == other.Kind && c.Partner == other.Partner && c.Exclusive == other.Exclusive && c.Until.Equal(other.Until) &&
		(anytime || c.From.Equal(other.From))
}

// couponsOfCodes reads the coupons of a program that have one of the codes of a list, by code.
func couponsOfCodes(ctx context.Context, q Querier, id program.ProgramID, list []NewCoupon) (map[string][]Coupon, error) {
	codes := make([]string, len(list))
	for i := range list {
		codes[i] = program.NormalCode(strings.ToValidUTF8(list[i].Code, "?"))
	}
	// name: coupons of codes
	rows, err := q.Query(ctx, `SELECT c.id, c.code, c.kind, coalesce(c.partner_id, 0), c.exclusive, c.effective_from, least(c.effective_until, e.effective_from)
  FROM coupon c LEFT JOIN coupon_end e ON e.coupon_id = c.id WHERE c.program_id = $1 AND c.code = ANY ($2) AND e.effective_from IS DISTINCT FROM c.effective_from`, id, codes)
	if err != nil {
		return nil, fmt.Errorf("reading coupons: %w", err)
	}
	there := map[string][]Coupon{}
	var c Coupon
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&c.ID, &c.Code, &c.Kind, &c.Partner, &c.Exclusive, &c.From, &until}, func() error {
		c.Until = time.Time{}
		if until != nil {
			c.Until = *until
		}
		there[c.Code] = append(there[c.Code], c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading coupons: %w", err)
	}
	return there, nil
}

// enrolledOf reads which of the owners of a list are in a program.
func enrolledOf(ctx context.Context, q Querier, id program.ProgramID, list []NewCoupon) (map[program.PartnerID]bool, error) {
	var owners []int64
	for i := range list {
		if list[i].Partner != 0 {
			owners = append(owners, int64(list[i].Partner))
		}
	}
	// name: enrolled owners
	rows, err := q.Query(ctx, `SELECT partner_id FROM enrolment WHERE program_id = $1 AND partner_id = ANY ($2)`, id, owners)
	if err != nil {
		return nil, fmt.Errorf("reading who is enrolled: %w", err)
	}
	enrolled := map[program.PartnerID]bool{}
	var partner program.PartnerID
	if _, err := pgx.ForEachRow(rows, []any{&partner}, func() error { enrolled[partner] = true; return nil }); err != nil {
		return nil, fmt.Errorf("reading who is enrolled: %w", err)
	}
	return enrolled, nil
}

// CouponEnd ends a coupon before its own end.
type CouponEnd struct {
	// From is when it is no longer in force: a minute from now or later, or as soon as it may when zero. One that begins later
	// never is.
	From time.Time
	// LeakedFrom is since when others than its owner's customers use it, zero where it has not leaked.
	LeakedFrom time.Time
	Note       string
}

// EndCoupon ends a coupon, in the caller's transaction, and returns from when on. One that has ended, or is ended already, is
// the conflict "coupon_ended"; one that there is not is not found. Orders of before keep what they earned.
func EndCoupon(ctx context.Context, tx pgx.Tx, id program.CouponID, author string, end CouponEnd) (from time.Time, err error) {
	now := time.Now()
	from = end.From.UTC()
	if end.From.IsZero() {
		from = Soon(now)
	}
	var bad []fault.Field
	if from.Sub(now) < program.Ahead {
		bad = append(bad, fault.Wrong("from", text.WrongTooSoon(), text.FixTooSoon()))
	}
	if end.LeakedFrom.After(now) {
		bad = append(bad, fault.Wrong("leaked_from", text.WrongLeakAhead(), text.FixLeakAhead()))
	}
	if badNote(end.Note) {
		bad = append(bad, fault.Wrong("note", text.WrongLabelSize(int64(len(end.Note))), text.FixGiveAtMost("500")))
	}
	if len(bad) > 0 {
		return from, &fault.Error{Kind: fault.Invalid, Code: "bad_coupon_end", Fields: bad}
	}
	var of program.ProgramID
	var begins time.Time
	var until *time.Time
	// name: coupon to end
	err = tx.QueryRow(ctx, `SELECT c.program_id, c.effective_from, least(c.effective_until, e.effective_from)
  FROM coupon c LEFT JOIN coupon_end e ON e.coupon_id = c.id WHERE c.id = $1`, id).Scan(&of, &begins, &until)
	if errors.Is(err, pgx.ErrNoRows) {
		return from, fault.Coded(fault.NotFound, "unknown_coupon", nil)
	}
	if err != nil {
		return from, fmt.Errorf("reading a coupon: %w", err)
	}
	if begins.After(from) {
		from = begins.UTC()
	}
	if until != nil && !from.Before(*until) {
		return from, fault.Coded(fault.Conflict, "coupon_ended", nil)
	}
	// name: coupon end
	tag, err := tx.Exec(ctx, `INSERT INTO coupon_end (coupon_id, program_id, effective_from, leaked_from, author, note) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (coupon_id) DO NOTHING`, id, of, from, orNull(end.LeakedFrom), author, strings.TrimSpace(end.Note))
	if err != nil {
		return from, fmt.Errorf("ending a coupon: %w", AsFault(err))
	}
	if tag.RowsAffected() == 0 {
		return from, fault.Coded(fault.Conflict, "coupon_ended", nil)
	}
	return from, nil
}
