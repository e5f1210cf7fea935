package partners

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
)

// Link is a tracking link of a partner in a program. A Link in a Catalogue is never changed, only replaced.
type Link struct {
	ID       program.LinkID
	Code     string
	Merchant program.MerchantID
	Program  program.ProgramID
	Partner  program.PartnerID
	// Target is where the visitor is sent, checked by Program.CheckTarget when the link was made.
	Target string
	// Closed links send nobody anywhere, but clicks of before still earn.
	Closed bool
}

// NewLink is a tracking link to be added.
type NewLink struct {
	Program program.ProgramID
	Partner program.PartnerID
	// Target defaults to the program's landing page.
	Target string
	// Code is the partner's own choice, or empty for a random one.
	Code  string
	Label string
}

// Codes are drawn from digits and consonants that cannot be taken for one another, and that spell no words: 28^8, or
// about 4 x 10^11 of them.
const (
	codeAlphabet = "23456789bcdfghjkmnpqrstvwxyz"
	codeLength   = 8
)

// validCode holds the form that the table has.
func validCode(code string) bool {
	return len(code) >= 3 && len(code) <= 64 && strings.Trim(code, letters+digits+"-") == "" &&
		code[0] != '-' && code[len(code)-1] != '-'
}

// MaxLinks is how many links a partner may have, closed ones too: every tracker holds all of them in memory, since a closed
// link earns by its clicks from before. Links that are made at the same moment may pass it by a few.
const MaxLinks = 10_000

// CreateLink adds a tracking link for a partner that is enrolled in the program. The answer names the fields that are
// wrong; a code that is taken is a conflict.
func CreateLink(ctx context.Context, q Querier, n NewLink) (*Link, error) {
	p, err := readTargetRules(ctx, q, n.Program)
	if err != nil {
		return nil, err
	}
	target := p.LandingURL
	if n.Target != "" {
		if target, err = p.CheckTarget(n.Target); err != nil {
			return nil, err
		}
	}
	l := &Link{Code: n.Code, Merchant: p.Merchant, Program: n.Program, Partner: n.Partner, Target: target}
	if n.Code != "" && !validCode(n.Code) {
		return nil, badLink("code", text.WrongLinkCode(n.Code), text.FixLinkCode())
	}
	if len(n.Label) > 200 {
		return nil, badLink("label", text.WrongLabelSize(int64(len(n.Label))), text.FixSize("200"))
	}
	facts, err := ReadFacts(ctx, q, n.Partner, n.Program)
	if err != nil {
		return nil, err
	}
	if StateAt(facts[n.Program], time.Now()) != program.Approved {
		return nil, badLink("program", text.WrongNotInProgram(), text.FixNotInProgram())
	}
	var links int
	// name: links of a partner, counted
	if err = q.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM link WHERE partner_id = $1 LIMIT $2) AS counted`, n.Partner, MaxLinks).Scan(&links); err != nil {
		return nil, fmt.Errorf("counting a partner's links: %w", err)
	}
	if links >= MaxLinks {
		return nil, &fault.Error{Kind: fault.Conflict, Code: "too_many_links", Fields: []fault.Field{
			fault.Wrong("code", text.WrongLinkLimit(MaxLinks), text.FixLinkLimit()),
		}}
	}
	for range 5 {
		if n.Code == "" {
			l.Code = newCode()
		}
		// name: link insert
		err = q.QueryRow(ctx, `INSERT INTO link (code, program_id, partner_id, target_url, label) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (code) DO NOTHING RETURNING id`, l.Code, l.Program, l.Partner, l.Target, n.Label).Scan(&l.ID)
		if !errors.Is(err, pgx.ErrNoRows) || n.Code != "" {
			break
		}
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, pgx.ErrNoRows):
		return nil, &fault.Error{Kind: fault.Conflict, Code: "code_taken", Fields: []fault.Field{
			fault.Wrong("code", text.WrongTaken(l.Code), text.FixTaken()),
		}}
	case constraint(err) == "link_program_id_partner_id_fkey":
		return nil, badLink("program", text.WrongNotEnrolled(), text.FixNotEnrolled())
	}
	return nil, fmt.Errorf("creating a link: %w", AsFault(err))
}

// CloseLink ends a partner's link: it leads nowhere any more, but clicks of before still earn. A link that was closed before
// stays so. Another partner's link is not found.
func CloseLink(ctx context.Context, q Querier, partner program.PartnerID, id program.LinkID) error {
	// name: link close
	tag, err := q.Exec(ctx, `UPDATE link SET closed_at = coalesce(closed_at, now()) WHERE id = $1 AND partner_id = $2`, id, partner)
	if err != nil {
		return fmt.Errorf("closing a link: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.Coded(fault.NotFound, "unknown_link", nil)
	}
	return nil
}

func badLink(field string, problem, fix text.Message) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "bad_link",
		Fields: []fault.Field{fault.Wrong(field, problem, fix)},
	}
}

// readTargetRules reads what CheckTarget needs of a program.
func readTargetRules(ctx context.Context, q Querier, id program.ProgramID) (*Program, error) {
	p := &Program{ID: id}
	// name: program target rules
	err := q.QueryRow(ctx, `SELECT merchant_id, landing_url, domains FROM program WHERE id = $1`, id).Scan(&p.Merchant, &p.LandingURL, &p.Domains)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.Coded(fault.NotFound, "unknown_program", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a program: %w", err)
	}
	return p, nil
}

func newCode() string {
	code := make([]byte, 0, codeLength)
	var random [4 * codeLength]byte
	for len(code) < codeLength {
		rand.Read(random[:]) // ends the program rather than return an error
		for _, b := range random {
			// Bytes beyond the last whole multiple of the alphabet would favour its first letters.
			if n := int(b); n < 256-256%len(codeAlphabet) && len(code) < codeLength {
				code = append(code, codeAlphabet[n%len(codeAlphabet)])
			}
		}
	}
	return string(code)
}
