// Package demo is a small network that looks alive: three merchants and forty partners, ninety days of history, a shop to
// buy in and visitors who come and buy. It sends what it makes up the way every merchant and visitor does, through step 1 and
// step 4 of a click's life.
package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/dashboard"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/catalogue"
	"tributary/partners/program"
)

// State is what a demo must remember from one start to the next: what is shown once must be printed again.
type State struct {
	Seeded bool              `json:"seeded"`
	Past   Past              `json:"past,omitzero"`
	Shop   string            `json:"shop"`
	Keys   map[string]string `json:"keys"` // by merchant's name
	Logins []Login           `json:"logins"`
}

// Past says which history is being sent, so that a seeding that was interrupted goes on with the same one where it was.
type Past struct {
	// Until is where the history ends.
	Until time.Time `json:"until"`
	// Behind is how many records the spool had before the first of it.
	Behind uint64 `json:"behind"`
}

// Login is a person of the demo, with the password in clear.
type Login struct {
	Role     string `json:"role"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Network is the cast of the demo.
type Network struct {
	// State is what to keep; Create fills it, MoveShop changes it.
	State State

	shopURL   string
	merchants []*castMerchant
	partners  []*castPartner
}

// New is the demo's network as it will be, or as state says it was made. Its shop answers at shopURL.
func New(shopURL string, state State) *Network {
	return &Network{State: state, shopURL: shopURL, merchants: castMerchants(), partners: castPartners()}
}

// Inhabited tells whether a database holds a network already, the demo's or another.
func Inhabited(ctx context.Context, db *pgxpool.Pool) (inhabited bool, err error) {
	if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM merchant) OR EXISTS (SELECT FROM partner)`).Scan(&inhabited); err != nil {
		return false, fmt.Errorf("looking for a network: %w", err)
	}
	return inhabited, nil
}

// FirstMerchant gives the name and the API key of the first merchant.
func (n *Network) FirstMerchant() (name, key string) {
	name = n.merchants[0].name
	return name, n.State.Keys[name]
}

// FirstCode is the code of the first merchant's first link, "" before Find.
func (n *Network) FirstCode() string {
	if links := n.merchants[0].links; len(links) > 0 {
		return links[0].link.Code
	}
	return ""
}

// MoveShop follows the shop when the demo was given another port than last time.
func (n *Network) MoveShop(ctx context.Context, db *pgxpool.Pool) error {
	if n.State.Shop == n.shopURL {
		return nil
	}
	for _, statement := range []string{
		`UPDATE link SET target_url = $2 || substr(target_url, length($1) + 1) WHERE starts_with(target_url, $1)`,
		`UPDATE program SET landing_url = $2 || substr(landing_url, length($1) + 1) WHERE starts_with(landing_url, $1)`,
	} {
		if _, err := db.Exec(ctx, statement, n.State.Shop, n.shopURL); err != nil {
			return fmt.Errorf("moving the shop to %s: %w", n.shopURL, err)
		}
	}
	n.State.Shop = n.shopURL
	return nil
}

// Create writes the cast of the demo, with its keys and log-ins, and notes in State what is shown once.
func (n *Network) Create(ctx context.Context, tx pgx.Tx) error {
	n.State = State{Shop: n.shopURL, Keys: map[string]string{}}
	now := time.Now().UTC()
	for _, p := range n.partners {
		id, err := partners.CreatePartner(ctx, tx, partners.NewPartner{Kind: p.kind, Name: p.name, SiteURL: p.site})
		if err != nil {
			return err
		}
		p.id = id
	}
	for i, m := range n.merchants {
		id, err := partners.CreateMerchant(ctx, tx, m.name)
		if err != nil {
			return err
		}
		m.id = id
		m.program, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: id, Name: m.name + " partners", LandingURL: n.shopURL + "/" + slug(m.name),
			Currencies: m.currencies, Terms: m.terms(now),
		})
		if err != nil {
			return err
		}
		if n.State.Keys[m.name], _, err = partners.IssueKey(ctx, tx, id, "demo shop", partners.Reporting); err != nil {
			return err
		}
		if err := n.createLinks(ctx, tx, m, i); err != nil {
			return err
		}
	}
	// Partners came one after the other, before the history begins.
	if _, err := tx.Exec(ctx, `UPDATE enrolment SET created_at = now() - interval '190 days' + partner_id * interval '50 hours'`); err != nil {
		return fmt.Errorf("dating the enrolments: %w", err)
	}
	return n.createLogins(ctx, tx)
}

// createLinks enrols two thirds of the partners and gives each one or two links. The first partner is in every program.
func (n *Network) createLinks(ctx context.Context, tx pgx.Tx, m *castMerchant, number int) error {
	for i, p := range n.partners {
		if i > 0 && i%3 != number && i%4 != number {
			continue
		}
		if err := partners.Enrol(ctx, tx, m.program, p.id); err != nil {
			return err
		}
		for second, label := range []string{"Home page", "Review"}[:1+(i+number)%2] {
			code := fmt.Sprintf("%s-%s", slug(m.name)[:4], slug(p.name))
			target := ""
			if second > 0 {
				code += "-review"
				target = n.shopURL + "/" + slug(m.name) + "?from=review"
			}
			if _, err := partners.CreateLink(ctx, tx, partners.NewLink{
				Program: m.program, Partner: p.id, Code: trimCode(code), Label: label, Target: target,
			}); err != nil {
				return err
			}
		}
	}
	return n.createCoupons(ctx, tx, m)
}

// createCoupons gives the program a coupon of nobody's, which the shop's own customers use, and the first partner one of its own.
func (n *Network) createCoupons(ctx context.Context, tx pgx.Tx, m *castMerchant) error {
	first, since := n.partners[0], time.Now().AddDate(0, 0, -200)
	_, err := partners.AddCoupons(ctx, tx, m.program, "merchant@demo.example", []partners.NewCoupon{
		{Code: "WELCOME10", From: since, Note: "for new customers"},
		{Code: "STAFF", From: since, Note: "people of ours"},
		{Code: couponOf(first), Partner: first.id, Exclusive: true, From: since},
		{Code: slug(first.name), Kind: program.ReferralCode, Partner: first.id, From: since},
	})
	if err != nil {
		return err
	}
	return n.agree(ctx, tx, m)
}

// agree notes what holds for some partners of a program alone: the second is a group of its own, and the first has recruited the
// next ones.
func (n *Network) agree(ctx context.Context, tx pgx.Tx, m *castMerchant) error {
	enrolled := 0
	for _, p := range n.partners[1:] {
		is, err := partners.Enrolled(ctx, tx, m.program, p.id)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		f := partners.Fact{Program: m.program, Partner: p.id, Author: "merchant@demo.example", Fact: program.Fact{From: time.Now().Add(-200 * day)}}
		switch enrolled++; {
		case enrolled == 1:
			f.Kind, f.Value = program.FactGroup, "vip"
		case enrolled <= 6:
			f.Kind, f.Value = program.FactRecruiter, strconv.FormatInt(int64(n.partners[0].id), 10)
		default:
			return nil
		}
		if _, err := partners.AddFact(ctx, tx, f); err != nil {
			return err
		}
	}
	return nil
}

func trimCode(code string) string {
	if code[len(code)-1] == '-' {
		return code[:len(code)-1]
	}
	return code
}

// createLogins makes one person for each audience: a site, a member, each merchant, and the operator.
func (n *Network) createLogins(ctx context.Context, tx pgx.Tx) error {
	type person struct {
		role, email, name string
		of                access.Scope
	}
	people := []person{
		{"partner", "partner@demo.example", n.partners[0].name, access.Scope{Partner: n.partners[0].id}},
		{"partner", "member@demo.example", n.partners[32].name, access.Scope{Partner: n.partners[32].id}},
		{"operator", "operator@demo.example", "Network operator", access.Scope{Network: true}},
	}
	for i, m := range n.merchants {
		email := "merchant@demo.example"
		if i > 0 {
			email = fmt.Sprintf("merchant%d@demo.example", i+1)
		}
		people = append(people, person{"merchant", email, m.name, access.Scope{Merchant: m.id}})
	}
	for _, p := range people {
		password := randomPassword()
		hash, err := dashboard.HashPassword(password)
		if err != nil {
			return fmt.Errorf("making a password: %w", err)
		}
		login := access.NewLogin{Email: p.email, Name: p.name, PasswordHash: hash, Seat: access.NewSeat{Scope: p.of, Role: access.Owner}}
		if _, err := access.CreateLogin(ctx, tx, login); err != nil {
			return err
		}
		n.State.Logins = append(n.State.Logins, Login{Role: p.role, Email: p.email, Password: password})
	}
	return nil
}

// Find fills the cast with what the database knows of it.
func (n *Network) Find(ctx context.Context, db *pgxpool.Pool, catalogue *catalogue.Catalogue) error {
	byName := map[string]*castPartner{}
	for _, p := range n.partners {
		byName[p.name] = p
	}
	for _, m := range n.merchants {
		if err := db.QueryRow(ctx, `SELECT id FROM merchant WHERE name = $1 ORDER BY id LIMIT 1`, m.name).Scan(&m.id); err != nil {
			return fmt.Errorf("finding %s: %w", m.name, err)
		}
		m.key = n.State.Keys[m.name]
		rows, err := db.Query(ctx, `SELECT l.id, p.name FROM link l JOIN partner p ON p.id = l.partner_id JOIN program g ON g.id = l.program_id
			WHERE g.merchant_id = $1 AND l.closed_at IS NULL ORDER BY l.id`, m.id)
		if err != nil {
			return fmt.Errorf("finding the links of %s: %w", m.name, err)
		}
		var id program.LinkID
		var name string
		if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
			link, known := catalogue.Link(id)
			if partner := byName[name]; known && partner != nil {
				m.links = append(m.links, &castLink{link: link, merchant: m, partner: partner, weight: partner.reach})
			}
			return nil
		}); err != nil {
			return fmt.Errorf("finding the links of %s: %w", m.name, err)
		}
	}
	return nil
}

// randomPassword is easy to copy and hard to guess.
func randomPassword() string { return strings.ToLower(rand.Text()[:16]) }
