package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners/program"
)

// A Partner is a partner of a merchant with what they brought and cost in a period.
type Partner struct {
	ID      int64
	Name    string
	Kind    string
	SiteURL string
	Clicks  int64          `db:"-"`
	Orders  int64          `db:"-"`
	Money   []PartnerMoney `db:"-"`
}

// PartnerMoney is a partner's part of a merchant's money in one currency, net of refunds and in minor units.
type PartnerMoney struct {
	PartnerID int64
	Currency  string
	Orders    int64
	Revenue   int64
	Net       int64
	Fee       int64
}

// The orders of the list of partners.
const (
	SortOrders = "orders"
	SortClicks = "clicks"
	SortName   = "name"
)

// MaxPartners bounds the list: it is sorted by figures from both databases, so it is made whole. Partners.More tells of others.
const MaxPartners = 5000

// A PartnerFilter is what a list of partners is narrowed to. Period is that of their figures.
type PartnerFilter struct {
	Text   string
	Kind   string
	Sort   string // SortOrders when empty
	Period Period
	After  string
}

// ParsePartners reads the address of a merchant's list.
func ParsePartners(values url.Values, now time.Time) (PartnerFilter, error) {
	q := newQuery(values, now)
	f := PartnerFilter{
		Text: q.text("q"), Kind: q.oneOf("kind", string(program.Site), string(program.Member)),
		Sort: cmp.Or(q.oneOf("sort", SortOrders, SortClicks, SortName), SortOrders), Period: q.period(), After: q.get("after"),
	}
	return f, q.err()
}

// Query is the filter as ParsePartners reads it.
func (f PartnerFilter) Query() url.Values {
	q := f.Period.Query()
	set(q, "q", f.Text)
	set(q, "kind", f.Kind)
	if f.Sort != SortOrders {
		set(q, "sort", f.Sort)
	}
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves any partner out.
func (f PartnerFilter) Narrowed() bool { return f.Text != "" || f.Kind != "" }

// key is the place of a partner in the list's order: those that are alike are sorted by name.
func (f PartnerFilter) key(p Partner) key {
	k := key{Text: strings.ToLower(p.Name), ID: p.ID}
	switch f.Sort {
	case SortClicks:
		k.A, k.B = -p.Clicks, -p.Orders
	case SortName:
	default:
		k.A, k.B = -p.Orders, -p.Clicks
	}
	return k
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.A, other.A), cmp.Compare(k.B, other.B), strings.Compare(k.Text, other.Text), cmp.Compare(k.ID, other.ID))
}

// Partners is a page of partners: those from First, counted from 0, of Total. Where ClickHouse did not answer, Missing says
// why and clicks are 0.
type Partners struct {
	Page[Partner]

	First, Total int
	Missing      error
	// More tells that the merchant has partners beyond MaxPartners, by name, which are not among them.
	More bool
}

// Partners reads at most limit partners of the scope's merchant.
func (r *Reader) Partners(ctx context.Context, q Question, f PartnerFilter, limit int) (Partners, error) {
	of := list{"partners", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Partners{}, err
	}
	var all []Partner
	err = r.Snapshot(ctx, q.Scope, func(s *Snapshot) (err error) {
		all, err = s.partners(ctx, f)
		return err
	})
	if err != nil {
		return Partners{}, err
	}
	more := len(all) > MaxPartners
	all = all[:min(len(all), MaxPartners)]
	clicks, missing := r.CountBy(ctx, q, Clicks(), ByPartner)
	for i := range all {
		all[i].Clicks = clicks[all[i].ID]
	}
	slices.SortFunc(all, func(a, b Partner) int { return f.key(a).compare(f.key(b)) })
	total := len(all)
	if begun {
		all = slices.DeleteFunc(all, func(p Partner) bool { return f.key(p).compare(from) <= 0 })
	}
	page, err := cut(of, all, limit, f.key)
	return Partners{Page: page, First: total - len(all), Total: total, Missing: missing, More: more}, err
}

// partners reads the partners of a merchant's programs with their money, one more than MaxPartners at most.
func (s *Snapshot) partners(ctx context.Context, f PartnerFilter) ([]Partner, error) {
	// name: partners of a merchant
	rows, err := s.tx.Query(ctx, `SELECT p.id, p.name, p.kind, p.site_url FROM partner p
		WHERE EXISTS (SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE e.partner_id = p.id AND g.merchant_id = $1)
		  AND ($2 = '' OR p.kind = $2) AND ($3 = '' OR position(lower($3) IN lower(p.name || ' ' || p.site_url)) > 0)
		ORDER BY lower(p.name), p.id LIMIT $4`, int64(s.scope.Merchant), f.Kind, f.Text, MaxPartners+1)
	if err != nil {
		return nil, fmt.Errorf("listing partners: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Partner])
	if err != nil {
		return nil, fmt.Errorf("listing partners: %w", err)
	}
	money, err := s.moneyByPartner(ctx, f.Period)
	if err != nil {
		return nil, err
	}
	order, err := s.currencies(ctx)
	if err != nil {
		return nil, err
	}
	for i := range found {
		p := &found[i]
		p.Money = money[p.ID]
		slices.SortFunc(p.Money, func(a, b PartnerMoney) int { return order.compare(a.Currency, b.Currency) })
		for _, m := range p.Money {
			p.Orders += m.Orders
		}
	}
	return found, nil
}

func (s *Snapshot) moneyByPartner(ctx context.Context, p Period) (map[int64][]PartnerMoney, error) {
	// name: money by partner
	rows, err := s.tx.Query(ctx, `SELECT partner_id, currency, count(*) FILTER (WHERE counted) AS orders, sum(revenue)::bigint AS revenue,
			sum(net)::bigint AS net, sum(fee)::bigint AS fee
		FROM (SELECT partner_id, currency, true AS counted, revenue - refunded AS revenue, 0::bigint AS net, 0::bigint AS fee
				FROM commission WHERE `+commissionsOfMerchant+` AND counts AND occurred_at >= @from AND occurred_at < @to
			UNION ALL SELECT partner_id, unit, false, 0, net, fee
				FROM commission WHERE `+commissionsOfMerchant+` AND unit <> @points AND occurred_at >= @from AND occurred_at < @to) c
		GROUP BY partner_id, currency`, pgx.NamedArgs{
		"merchant": int64(s.scope.Merchant), "partner": int64(0), "from": p.From, "to": p.To, "points": program.UnitPoint,
	})
	if err != nil {
		return nil, fmt.Errorf("reading money by partner: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[PartnerMoney])
	if err != nil {
		return nil, fmt.Errorf("reading money by partner: %w", err)
	}
	byPartner := map[int64][]PartnerMoney{}
	for _, m := range found {
		byPartner[m.PartnerID] = append(byPartner[m.PartnerID], m)
	}
	return byPartner, nil
}

// A PartnerOfMerchant is one partner as a merchant sees them.
type PartnerOfMerchant struct {
	Partner

	Since time.Time
	// Programs are the merchant's that the partner is in, by name, ProgramIDs their numbers, and States where the partner stands in each.
	Programs   []string
	ProgramIDs []int64
	States     []program.State
	Links      []PartnerLink
}

// A PartnerLink is a link that a partner has in a merchant's program.
type PartnerLink struct {
	ID     int64
	Code   string
	Target string
	Closed bool
	Clicks int64 `db:"-"`
}

// PartnerOfMerchant reads a partner of one of the merchant's programs; any other is not found.
func (s *Snapshot) PartnerOfMerchant(ctx context.Context, id int64) (PartnerOfMerchant, error) {
	var p PartnerOfMerchant
	// name: partner of a merchant
	err := s.tx.QueryRow(ctx, `SELECT p.id, p.name, p.kind, p.site_url, min(e.created_at), array_agg(g.name ORDER BY g.name, g.id), array_agg(g.id ORDER BY g.name, g.id),
		array_agg(coalesce((SELECT f.value FROM enrolment_fact f WHERE f.program_id = g.id AND f.partner_id = p.id AND f.kind = 'state' AND f.effective_from <= now() ORDER BY f.no DESC LIMIT 1), 'approved')
			ORDER BY g.name, g.id)
		FROM partner p JOIN enrolment e ON e.partner_id = p.id JOIN program g ON g.id = e.program_id AND g.merchant_id = $2
		WHERE p.id = $1 GROUP BY p.id`, id, int64(s.scope.Merchant)).Scan(&p.ID, &p.Name, &p.Kind, &p.SiteURL, &p.Since, &p.Programs, &p.ProgramIDs, &p.States)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, notFound()
	}
	if err != nil {
		return p, fmt.Errorf("reading a partner: %w", err)
	}
	// name: links of a merchant's partner
	rows, err := s.tx.Query(ctx, `SELECT l.id, l.code, l.target_url AS target, l.closed_at IS NOT NULL AS closed FROM link l JOIN program g ON g.id = l.program_id
		WHERE l.partner_id = $1 AND g.merchant_id = $2 ORDER BY l.id DESC LIMIT 50`, id, int64(s.scope.Merchant))
	if err != nil {
		return p, fmt.Errorf("reading a partner's links: %w", err)
	}
	if p.Links, err = pgx.CollectRows(rows, pgx.RowToStructByName[PartnerLink]); err != nil {
		return p, fmt.Errorf("reading a partner's links: %w", err)
	}
	return p, nil
}

// PartnerName is the name of a partner of one of the merchant's programs, empty for any other.
func (s *Snapshot) PartnerName(ctx context.Context, id int64) (name string, err error) {
	// name: name of a merchant's partner
	err = s.tx.QueryRow(ctx, `SELECT coalesce((SELECT name FROM partner p WHERE p.id = $2 AND EXISTS (
		SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE e.partner_id = p.id AND g.merchant_id = $1)), '')`,
		int64(s.scope.Merchant), id).Scan(&name)
	if err != nil {
		return "", fmt.Errorf("reading a partner's name: %w", err)
	}
	return name, nil
}

// notFound is the answer for what does not exist and for what belongs to somebody else alike.
func notFound() error {
	return fault.Coded(fault.NotFound, "not_found", nil)
}
