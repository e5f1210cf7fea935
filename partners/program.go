package partners

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
)

// ProgramMark opens the name of a program on a merchant's pages; its number follows.
const ProgramMark = "prg_"

// Program is what a merchant offers to partners. A Program in Programs is never changed, only replaced.
type Program struct {
	ID         program.ProgramID
	Merchant   program.MerchantID
	Name       string
	LandingURL string
	// Domains are the hosts, with all their subdomains, that links of the program may lead to: lower case, in ASCII.
	Domains []string
	// ClickParam is the query parameter under which the merchant receives the click id.
	ClickParam string
	// Currencies are the ISO 4217 codes in which orders may come, in the merchant's own order.
	Currencies []string
	// Terms ascend by EffectiveFrom.
	Terms     []program.Terms
	CreatedAt time.Time
	// needsAcceptance says that some of the terms do.
	needsAcceptance bool
}

// TermsAt gives the terms in force at t: those with the latest EffectiveFrom at or before it. There are none before the
// first.
func (p *Program) TermsAt(t time.Time) (*program.Terms, bool) {
	for i := len(p.Terms) - 1; i >= 0; i-- {
		if !p.Terms[i].EffectiveFrom.After(t) {
			return &p.Terms[i], true
		}
	}
	return nil, false
}

// LinkTerms gives the terms of the program that are in force at t for the link of a partner.
func (p *Program) LinkTerms(link program.LinkID, partner program.PartnerID, kind program.Kind, t time.Time) program.LinkTerms {
	found := program.LinkTerms{Link: link, Merchant: p.Merchant, Program: p.ID, Partner: partner, Kind: kind, Currencies: p.Currencies}
	found.Terms, _ = p.TermsAt(t)
	return found
}

// NewProgram is a program to be added, with its first terms. Those may reach into the past: no order is older than the
// program that it belongs to.
type NewProgram struct {
	Merchant   program.MerchantID
	Name       string
	LandingURL string
	// Domains default to the host of LandingURL.
	Domains []string
	// ClickParam defaults to DefaultClickParam.
	ClickParam string
	Currencies []string
	// Terms are numbered from 1 in the order of EffectiveFrom, whatever Number says.
	Terms []program.Version
}

// DefaultClickParam is the query parameter that carries the click id unless a program has its own.
const DefaultClickParam = "tclid"

// validClickParam holds the form that the table has, of characters that no address needs to encode.
func validClickParam(name string) bool {
	return name != "" && len(name) <= 40 && strings.Trim(name, letters+strings.ToUpper(letters)+digits+"_.~-") == ""
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

// CreateProgram adds a program and its first terms, in the caller's transaction.
func CreateProgram(ctx context.Context, tx pgx.Tx, n NewProgram) (program.ProgramID, error) {
	p, err := n.check()
	if err != nil {
		return 0, err
	}
	// name: program insert
	err = tx.QueryRow(ctx, `INSERT INTO program (merchant_id, name, landing_url, domains, click_param, currencies)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		p.Merchant, p.Name, p.LandingURL, p.Domains, p.ClickParam, p.Currencies).Scan(&p.ID)
	if err != nil {
		return 0, fmt.Errorf("creating a program: %w", AsFault(err))
	}
	byTime := func(a, b program.Version) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) }
	for _, v := range slices.SortedFunc(slices.Values(n.Terms), byTime) {
		if _, err := insertTerms(ctx, tx, p.ID, v); err != nil {
			return 0, err
		}
	}
	return p.ID, nil
}

// check gives the program as it will be kept, or every field that is wrong.
func (n NewProgram) check() (*Program, error) {
	var bad []fault.Field
	note := func(name string, problem, fix text.Message) {
		bad = append(bad, fault.Wrong(name, problem, fix))
	}
	p := &Program{Merchant: n.Merchant, Name: strings.TrimSpace(n.Name), ClickParam: n.ClickParam}
	if p.Name == "" || len(p.Name) > 200 {
		note("name", text.WrongLabelSize(int64(len(p.Name))), text.FixName())
	}
	landing, host, err := normalTarget(n.LandingURL)
	if err != nil {
		for _, f := range fault.Of(err).Fields {
			f.Name = "landing_url"
			bad = append(bad, f)
		}
	}
	domains := n.Domains
	if len(domains) == 0 && err == nil {
		domains = []string{host}
	}
	for i, raw := range domains {
		domain, problem, ok := normalDomain(raw)
		if !ok {
			note(fmt.Sprintf("domains[%d]", i), problem, text.FixDomain())
			continue
		}
		p.Domains = append(p.Domains, domain)
	}
	p.LandingURL = landing
	if err == nil && len(bad) == 0 {
		if _, err := p.CheckTarget(landing); err != nil {
			for _, f := range fault.Of(err).Fields {
				f.Name = "landing_url"
				bad = append(bad, f)
			}
		}
	}
	if p.ClickParam == "" {
		p.ClickParam = DefaultClickParam
	}
	if !validClickParam(p.ClickParam) {
		note("click_param", text.WrongParameter(p.ClickParam), text.FixParameter())
	}
	for _, currency := range n.Currencies {
		if !slices.Contains(p.Currencies, currency) {
			p.Currencies = append(p.Currencies, currency)
		}
	}
	if len(p.Currencies) == 0 {
		note("currencies", text.WrongNone(), text.FixOneCurrency())
	}
	for _, currency := range p.Currencies {
		if !money.Known(currency) {
			note("currencies", text.WrongNotInForce(strconv.Quote(currency)), text.FixCapitalLetters())
		}
	}
	if len(n.Terms) == 0 {
		note("terms", text.WrongNoTerms(), text.FixFirstTerms())
	}
	for i := range n.Terms {
		bad = append(bad, n.Terms[i].Document.Check(fmt.Sprintf("terms[%d].", i))...)
	}
	if len(bad) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "bad_program", Fields: bad}
	}
	return p, nil
}
