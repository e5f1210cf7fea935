package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/partners/program"
)

// partnerRow is a partner of a merchant with what they brought and cost in a period.
type partnerRow struct {
	ID      int64
	Name    string
	Kind    string
	SiteURL string
	Clicks  int64
	Orders  int64
	Money   []partnerCost
}

// partnerCost is a partner's part of a merchant's money in one currency.
type partnerCost struct {
	PartnerID int64
	Currency  string
	Orders    int64
	Revenue   int64
	Net       int64
	Fee       int64
}

// The orders of the list of partners, besides by name.
const (
	sortOrders = "orders"
	sortClicks = "clicks"
	sortName   = "name"
)

// maxPartners bounds the list: it is sorted by figures from both databases, so it is made whole.
const maxPartners = 5000

// partnerFilter is what the list is narrowed to.
type partnerFilter struct {
	Text   string
	Kind   string
	Sort   string
	After  int // rows to leave out
	period period
	limit  int
}

func readPartnerFilter(q url.Values, now time.Time) partnerFilter {
	f := partnerFilter{
		Text: short(q.Get("q")), Kind: oneOf(q.Get("kind"), string(program.Site), string(program.Member)),
		Sort: oneOf(q.Get("sort"), sortOrders, sortClicks, sortName), period: readPeriod(q, now), limit: pageSize,
	}
	f.After = int(min(number(q.Get("after")), maxPartners))
	if f.Sort == "" {
		f.Sort = sortOrders
	}
	return f
}

// query is the filter as readPartnerFilter reads it.
func (f partnerFilter) query() url.Values {
	q := f.period.query()
	if f.Text != "" {
		q.Set("q", f.Text)
	}
	if f.Kind != "" {
		q.Set("kind", f.Kind)
	}
	if f.Sort != sortOrders {
		q.Set("sort", f.Sort)
	}
	if f.After > 0 {
		q.Set("after", strconv.Itoa(f.After))
	}
	return q
}

func (f partnerFilter) narrowed() bool { return f.Text != "" || f.Kind != "" }

// merchantPartnersView is what the page shows.
type merchantPartnersView struct {
	filter  partnerFilter
	rows    []partnerRow
	total   int
	missing bool
	at      time.Time
}

func (s *Server) loadMerchantPartners(ctx context.Context, v *visit, f partnerFilter) (merchantPartnersView, error) {
	view := merchantPartnersView{filter: f, at: v.at}
	var all []partnerRow
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if all, err = enrolledPartners(ctx, tx, v.login.Merchant, f); err != nil {
			return err
		}
		costs, err := partnerCosts(ctx, tx, v.login.Merchant, f.period)
		if err != nil {
			return err
		}
		order, err := readCurrencies(ctx, tx)
		if err != nil {
			return err
		}
		for i := range all {
			all[i].Money = costs[all[i].ID]
			slices.SortFunc(all[i].Money, func(a, b partnerCost) int { return order.compare(a.Currency, b.Currency) })
			for _, m := range all[i].Money {
				all[i].Orders += m.Orders
			}
		}
		return nil
	})
	if err != nil {
		return view, err
	}
	byClicks, err := ask[int64](ctx, s.cfg.ClickHouse, question{scope: v.scope(), period: f.period}, clicks(), perPartner)
	if err != nil {
		s.cfg.Log.Warn("counts are missing on a list of partners", "error", err, "request", v.id)
		view.missing = true
	}
	for i := range all {
		all[i].Clicks = byClicks[all[i].ID]
	}
	slices.SortStableFunc(all, f.compare)
	view.total = len(all)
	from := min(f.After, len(all))
	view.rows = all[from:min(from+f.limit, len(all))]
	return view, nil
}

// compare sorts partners; those that are alike stay sorted by name.
func (f partnerFilter) compare(a, b partnerRow) int {
	switch f.Sort {
	case sortOrders:
		return cmp.Or(cmp.Compare(b.Orders, a.Orders), cmp.Compare(b.Clicks, a.Clicks))
	case sortClicks:
		return cmp.Or(cmp.Compare(b.Clicks, a.Clicks), cmp.Compare(b.Orders, a.Orders))
	}
	return 0
}

// next is where the next page begins, or empty.
func (view merchantPartnersView) next() string {
	if end := view.filter.After + len(view.rows); end < view.total {
		return strconv.Itoa(end)
	}
	return ""
}

// enrolledPartners reads the partners of a merchant's programs, by name.
func enrolledPartners(ctx context.Context, tx pgx.Tx, id program.MerchantID, f partnerFilter) ([]partnerRow, error) {
	// name: partners of a merchant
	rows, err := tx.Query(ctx, `SELECT p.id, p.name, p.kind, p.site_url FROM partner p
		WHERE EXISTS (SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE e.partner_id = p.id AND g.merchant_id = $1)
		  AND ($2 = '' OR p.kind = $2) AND ($3 = '' OR position(lower($3) IN lower(p.name || ' ' || p.site_url)) > 0)
		ORDER BY lower(p.name), p.id LIMIT $4`, int64(id), f.Kind, f.Text, maxPartners)
	if err != nil {
		return nil, fmt.Errorf("listing partners: %w", err)
	}
	var list []partnerRow
	var r partnerRow
	_, err = pgx.ForEachRow(rows, []any{&r.ID, &r.Name, &r.Kind, &r.SiteURL}, func() error {
		list = append(list, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing partners: %w", err)
	}
	return list, nil
}

// partnerCosts reads what each partner brought and cost in a period, by partner.
func partnerCosts(ctx context.Context, tx pgx.Tx, id program.MerchantID, p period) (map[int64][]partnerCost, error) {
	// name: costs by partner
	rows, err := tx.Query(ctx, `SELECT partner_id, currency, count(*) AS orders, sum(revenue - refunded)::bigint AS revenue,
			sum(net)::bigint AS net, sum(fee)::bigint AS fee
		FROM commission WHERE merchant_id = $1 AND program_id IN (SELECT id FROM program WHERE merchant_id = $1)
		  AND occurred_at >= $2 AND occurred_at < $3
		GROUP BY partner_id, currency ORDER BY partner_id, currency`, int64(id), p.From, p.To)
	if err != nil {
		return nil, fmt.Errorf("reading costs by partner: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[partnerCost])
	if err != nil {
		return nil, fmt.Errorf("reading costs by partner: %w", err)
	}
	byPartner := map[int64][]partnerCost{}
	for _, m := range list {
		byPartner[m.PartnerID] = append(byPartner[m.PartnerID], m)
	}
	return byPartner, nil
}

func (s *Server) merchantPartners(c echo.Context, v *visit) error {
	view, err := s.loadMerchantPartners(c.Request().Context(), v, readPartnerFilter(c.QueryParams(), v.at))
	if err != nil {
		return err
	}
	keepAddress(c, "/merchant/partners", view.filter.query())
	return s.page(c, v, "Partners", merchantPartnersPage(view))
}

func (s *Server) merchantPartnersCSV(c echo.Context, v *visit) error {
	f := readPartnerFilter(c.QueryParams(), v.at)
	f.After, f.limit = 0, maxPartners
	view, err := s.loadMerchantPartners(c.Request().Context(), v, f)
	if err != nil {
		return err
	}
	heading := []string{"partner", "kind", "site", "clicks", "currency", "orders", "revenue", "commission", "fee", "cost"}
	return s.sendCSV(c, "partners", heading, func(w *export.Writer) error {
		for _, r := range view.rows {
			money := r.Money
			if len(money) == 0 {
				money = []partnerCost{{}}
			}
			for _, m := range money {
				in := func(minor int64) export.Cell { return export.Number(amount{m.Currency, minor}.plain()) }
				err := w.Row(export.Text(r.Name), export.Text(r.Kind), export.Text(r.SiteURL), countCell(r.Clicks, view.missing), export.Text(m.Currency),
					export.Number(strconv.FormatInt(m.Orders, 10)), in(m.Revenue), in(m.Net), in(m.Fee), in(m.Net+m.Fee))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// revenues and costs list a partner's money by currency.
func (r partnerRow) revenues() []amount {
	return r.amounts(func(m partnerCost) int64 { return m.Revenue })
}

func (r partnerRow) costs() []amount {
	return r.amounts(func(m partnerCost) int64 { return m.Net + m.Fee })
}

func (r partnerRow) commissions() []amount {
	return r.amounts(func(m partnerCost) int64 { return m.Net })
}

func (r partnerRow) amounts(of func(partnerCost) int64) []amount {
	list := make([]amount, len(r.Money))
	for i, m := range r.Money {
		list[i] = amount{m.Currency, of(m)}
	}
	return list
}

// host is the site's address without its scheme, for reading.
func (r partnerRow) host() string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(r.SiteURL, "https://"), "http://"), "/")
}
