package partners

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/fault"
	"tributary/internal/money"
)

// CreateMerchant adds a merchant.
func CreateMerchant(ctx context.Context, q Querier, name string) (MerchantID, error) {
	var id MerchantID
	// name: merchant insert
	err := q.QueryRow(ctx, `INSERT INTO merchant (name) VALUES ($1) RETURNING id`, name).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a merchant: %w", asFault(err))
	}
	return id, nil
}

// NewPartner is a partner to be added.
type NewPartner struct {
	Kind    Kind
	Name    string
	SiteURL string
}

// CreatePartner adds a partner, who is in no program yet: see Enrol.
func CreatePartner(ctx context.Context, q Querier, p NewPartner) (PartnerID, error) {
	var id PartnerID
	// name: partner insert
	err := q.QueryRow(ctx, `INSERT INTO partner (kind, name, site_url) VALUES ($1, $2, $3) RETURNING id`,
		p.Kind, p.Name, p.SiteURL).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a partner: %w", asFault(err))
	}
	return id, nil
}

// Enrol takes a partner into a program, so that it may have links there. Enrolling twice is without effect.
func Enrol(ctx context.Context, q Querier, program ProgramID, partner PartnerID) error {
	// name: enrolment insert
	_, err := q.Exec(ctx, `INSERT INTO enrolment (program_id, partner_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, program, partner)
	if err != nil {
		return fmt.Errorf("enrolling a partner: %w", asFault(err))
	}
	return nil
}

// NewProgram is a program to be added, with its first terms. Those may reach into the past: no order is older than the
// program that it belongs to.
type NewProgram struct {
	Merchant   MerchantID
	Name       string
	LandingURL string
	// Domains default to the host of LandingURL.
	Domains []string
	// ClickParam defaults to DefaultClickParam.
	ClickParam string
	Currencies []string
	// Terms are numbered from 1 in the order of EffectiveFrom, whatever Version says.
	Terms []Terms
}

// DefaultClickParam is the query parameter that carries the click id unless a program has its own.
const DefaultClickParam = "tclid"

var clickParamForm = regexp.MustCompile(`^[A-Za-z0-9_.~-]{1,40}$`)

// CreateProgram adds a program and its first terms, in the caller's transaction.
func CreateProgram(ctx context.Context, tx pgx.Tx, n NewProgram) (ProgramID, error) {
	p, err := n.check()
	if err != nil {
		return 0, err
	}
	// name: program insert
	err = tx.QueryRow(ctx, `INSERT INTO program (merchant_id, name, landing_url, domains, click_param, currencies)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		p.Merchant, p.Name, p.LandingURL, p.Domains, p.ClickParam, p.Currencies).Scan(&p.ID)
	if err != nil {
		return 0, fmt.Errorf("creating a program: %w", asFault(err))
	}
	for i, t := range p.Terms {
		t.Version = i + 1
		if err := insertTerms(ctx, tx, p.ID, t); err != nil {
			return 0, err
		}
	}
	return p.ID, nil
}

// check gives the program as it will be kept, or every field that is wrong.
func (n NewProgram) check() (*Program, error) {
	var bad []fault.Field
	note := func(name, problem, mend string) { bad = append(bad, fault.Field{Name: name, Problem: problem, Mend: mend}) }
	p := &Program{Merchant: n.Merchant, Name: strings.TrimSpace(n.Name), ClickParam: n.ClickParam}
	if p.Name == "" || len(p.Name) > 200 {
		note("name", fmt.Sprintf("it has %d bytes", len(p.Name)), "give a name of 1 to 200 bytes")
	}
	landing, host, err := normalTarget(n.LandingURL)
	if err != nil {
		for _, f := range fault.Of(err).Fields {
			note("landing_url", f.Problem, f.Mend)
		}
	}
	domains := n.Domains
	if len(domains) == 0 && err == nil {
		domains = []string{host}
	}
	for i, raw := range domains {
		domain, err := normalDomain(raw)
		if err != nil {
			note(fmt.Sprintf("domains[%d]", i), err.Error(), "give the host name of the shop, such as shop.example")
			continue
		}
		p.Domains = append(p.Domains, domain)
	}
	p.LandingURL = landing
	if err == nil && len(bad) == 0 {
		if _, err := p.CheckTarget(landing); err != nil {
			for _, f := range fault.Of(err).Fields {
				note("landing_url", f.Problem, f.Mend)
			}
		}
	}
	if p.ClickParam == "" {
		p.ClickParam = DefaultClickParam
	}
	if !clickParamForm.MatchString(p.ClickParam) {
		note("click_param", fmt.Sprintf("%q is not a plain parameter name", p.ClickParam), "use 1 to 40 letters, digits and _ . ~ -")
	}
	p.Currencies = slices.Compact(slices.Sorted(slices.Values(n.Currencies)))
	if len(p.Currencies) == 0 {
		note("currencies", "there is none", `give at least one, such as ["EUR"]`)
	}
	for _, currency := range p.Currencies {
		if !money.Known(currency) {
			note("currencies", fmt.Sprintf("%q is not an ISO 4217 currency in force", currency), "use the three capital letters of one")
		}
	}
	p.Terms = slices.SortedFunc(slices.Values(n.Terms), func(a, b Terms) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) })
	if len(p.Terms) == 0 {
		note("terms", "there are none", "give the first terms with the program")
	}
	for i, t := range p.Terms {
		bad = append(bad, t.check(fmt.Sprintf("terms[%d].", i))...)
	}
	if len(bad) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "bad_program", Detail: "The program cannot be made as it stands.", Fields: bad}
	}
	return p, nil
}

// AddTerms adds terms that take effect at or after the present, in the caller's transaction, and returns their version.
func AddTerms(ctx context.Context, tx pgx.Tx, program ProgramID, t Terms) (version int, err error) {
	if bad := t.check(""); len(bad) > 0 {
		return 0, &fault.Error{Kind: fault.Invalid, Code: "bad_terms", Detail: "The terms cannot be added as they stand.", Fields: bad}
	}
	// name: program lock, so that two new versions do not take one number
	err = tx.QueryRow(ctx, `SELECT id FROM program WHERE id = $1 FOR UPDATE`, program).Scan(&program)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.New(fault.NotFound, "unknown_program", "There is no such program.")
	}
	if err != nil {
		return 0, fmt.Errorf("locking a program: %w", err)
	}
	// name: terms next version
	err = tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) + 1 FROM terms WHERE program_id = $1`, program).Scan(&t.Version)
	if err != nil {
		return 0, fmt.Errorf("numbering terms: %w", err)
	}
	return t.Version, insertTerms(ctx, tx, program, t)
}

// check gives what is wrong with terms, each field's name behind prefix.
func (t Terms) check(prefix string) []fault.Field {
	var bad []fault.Field
	note := func(name, problem, mend string) {
		bad = append(bad, fault.Field{Name: prefix + name, Problem: problem, Mend: mend})
	}
	if t.Window <= 0 || t.Window%time.Second != 0 {
		note("window", fmt.Sprintf("%s is not a number of seconds above zero", t.Window), "give whole seconds, such as 720h")
	}
	if t.Hold < 0 || t.Hold%time.Second != 0 {
		note("hold", fmt.Sprintf("%s is not a number of seconds", t.Hold), "give whole seconds, or 0")
	}
	rate := func(name string, r money.Rate) {
		if r < 0 || r > 1_000_000 {
			note(name, fmt.Sprintf("%s is not between 0 %% and 100 %%", r), "give parts per million from 0 to 1000000")
		}
	}
	rate("network_fee", t.NetworkFee)
	for kind, rates := range t.Rates {
		if kind != Site && kind != Member {
			note("rates", fmt.Sprintf("%q is not a kind of partner", kind), `use "site" or "member"`)
		}
		for category, r := range rates {
			rate(fmt.Sprintf("rates.%s.%s", kind, category), r)
		}
	}
	slices.SortFunc(bad, func(a, b fault.Field) int { return strings.Compare(a.Name, b.Name) })
	return bad
}

func insertTerms(ctx context.Context, tx pgx.Tx, program ProgramID, t Terms) error {
	// name: terms insert
	_, err := tx.Exec(ctx, `INSERT INTO terms (program_id, version, effective_from, window_seconds, hold_seconds, network_fee_ppm)
VALUES ($1, $2, $3, $4, $5, $6)`,
		program, t.Version, t.EffectiveFrom, int64(t.Window/time.Second), int64(t.Hold/time.Second), int64(t.NetworkFee))
	if err != nil {
		return fmt.Errorf("adding terms: %w", asFault(err))
	}
	var kinds, categories []string
	var rates []int64
	for kind, byCategory := range t.Rates {
		for category, rate := range byCategory {
			kinds, categories, rates = append(kinds, string(kind)), append(categories, category), append(rates, int64(rate))
		}
	}
	// name: terms rates insert
	_, err = tx.Exec(ctx, `INSERT INTO terms_rate (program_id, version, partner_kind, category, rate_ppm)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[])`, program, t.Version, kinds, categories, rates)
	if err != nil {
		return fmt.Errorf("adding rates: %w", asFault(err))
	}
	return nil
}

// NewLink is a tracking link to be added.
type NewLink struct {
	Program ProgramID
	Partner PartnerID
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

var codeForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,62}[a-z0-9]$`)

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
	if n.Code != "" && !codeForm.MatchString(n.Code) {
		return nil, badLink("code", fmt.Sprintf("%q cannot be a code", n.Code), "use 3 to 64 lower-case letters, digits and hyphens, with no hyphen at either end")
	}
	if len(n.Label) > 200 {
		return nil, badLink("label", fmt.Sprintf("it has %d bytes", len(n.Label)), "use at most 200")
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
		return nil, &fault.Error{Kind: fault.Conflict, Code: "code_taken", Detail: "Another link has this code.", Fields: []fault.Field{
			{Name: "code", Problem: fmt.Sprintf("%q is taken", l.Code), Mend: "choose another, or leave it out for a random one"},
		}}
	case constraint(err) == "link_program_id_partner_id_fkey":
		return nil, badLink("program", "the partner is not enrolled in it", "enrol in the program first")
	}
	return nil, fmt.Errorf("creating a link: %w", asFault(err))
}

func badLink(field, problem, mend string) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "bad_link", Detail: "The link cannot be made as it stands.",
		Fields: []fault.Field{{Name: field, Problem: problem, Mend: mend}},
	}
}

// readTargetRules reads what CheckTarget needs of a program.
func readTargetRules(ctx context.Context, q Querier, id ProgramID) (*Program, error) {
	p := &Program{ID: id}
	// name: program target rules
	err := q.QueryRow(ctx, `SELECT merchant_id, landing_url, domains FROM program WHERE id = $1`, id).Scan(&p.Merchant, &p.LandingURL, &p.Domains)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "unknown_program", "There is no such program.")
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

// NewLogin is a person who may sign in. Partner is set for role "partner", Merchant for role "merchant".
type NewLogin struct {
	Email        string
	Name         string
	Role         string
	PasswordHash string // argon2id in PHC text
	Partner      PartnerID
	Merchant     MerchantID
}

// CreateLogin adds a person. The e-mail is kept in lower case; one that is known already is a conflict.
func CreateLogin(ctx context.Context, q Querier, n NewLogin) (LoginID, error) {
	var id LoginID
	// name: login insert
	err := q.QueryRow(ctx, `INSERT INTO login (email, name, password_hash, role, partner_id, merchant_id)
VALUES (lower($1), $2, $3, $4, nullif($5::bigint, 0), nullif($6::bigint, 0)) RETURNING id`,
		n.Email, n.Name, n.PasswordHash, n.Role, n.Partner, n.Merchant).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a log-in: %w", asFault(err))
	}
	return id, nil
}

// constraint names the constraint that refused a row, or "".
func constraint(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.ConstraintName
	}
	return ""
}

// asFault turns a row that the tables refuse into a fault that says so; any other error stays as it is.
func asFault(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "23505": // unique_violation
		return &fault.Error{Kind: fault.Conflict, Code: "exists_already", Detail: "There is one like this already.", Cause: err}
	case "23503": // foreign_key_violation
		return &fault.Error{Kind: fault.NotFound, Code: "unknown_reference", Detail: "Something that this refers to does not exist.", Cause: err}
	case "23514", "22001", "23502": // check_violation, string_data_right_truncation, not_null_violation
		return &fault.Error{Kind: fault.Invalid, Code: "refused", Detail: "The database refuses this: " + pg.Message + ".", Cause: err}
	}
	return err
}
