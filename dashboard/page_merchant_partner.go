package dashboard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/chart"
	"tributary/partners/program"
)

// merchantPartnerView is one partner as a merchant sees them.
type merchantPartnerView struct {
	partner        partnerRow
	since          time.Time
	programs       []string
	period         period
	at             time.Time
	money          []merchantMoney
	latest         []commissionRow
	links          []partnerLink
	clicks, orders series
	missing        bool
}

// partnerLink is a link that a partner has in a merchant's program.
type partnerLink struct {
	ID     int64
	Code   string
	Target string
	Closed bool
	Clicks int64 `db:"-"`
}

func (s *Server) merchantPartner(c echo.Context, v *visit) error {
	id := number(c.Param("partner"))
	view := merchantPartnerView{period: readPeriod(c.QueryParams(), v.at), at: v.at}
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if err := view.read(ctx, tx, v, id); err != nil {
			return err
		}
		if view.money, err = merchantMoneyBy(ctx, tx, v.login.Merchant, id, view.period); err != nil {
			return err
		}
		order, err := readCurrencies(ctx, tx)
		if err != nil {
			return err
		}
		order.sortMoney(view.money)
		f := commissionFilter{merchant: v.login.Merchant, partner: program.PartnerID(id), Sort: sortNewest, limit: 10}
		view.latest, err = listCommissions(ctx, tx, f)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.countPartner(ctx, v, &view); err != nil {
		s.cfg.Log.Warn("counts are missing on a partner", "error", err, "request", v.id)
		view.missing = true
	}
	return s.page(c, v, view.partner.Name, merchantPartnerPage(view))
}

// read finds a partner among those of the merchant's programs, with programs and links.
func (view *merchantPartnerView) read(ctx context.Context, tx pgx.Tx, v *visit, id int64) error {
	p := &view.partner
	// name: partner of a merchant
	err := tx.QueryRow(ctx, `SELECT p.id, p.name, p.kind, p.site_url, min(e.created_at), array_agg(g.name ORDER BY g.name)
		FROM partner p JOIN enrolment e ON e.partner_id = p.id JOIN program g ON g.id = e.program_id AND g.merchant_id = $2
		WHERE p.id = $1 GROUP BY p.id`, id, int64(v.login.Merchant)).Scan(&p.ID, &p.Name, &p.Kind, &p.SiteURL, &view.since, &view.programs)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound("partner")
	}
	if err != nil {
		return fmt.Errorf("reading a partner: %w", err)
	}
	// name: links of a merchant's partner
	rows, err := tx.Query(ctx, `SELECT l.id, l.code, l.target_url AS target, l.closed_at IS NOT NULL AS closed FROM link l JOIN program g ON g.id = l.program_id
		WHERE l.partner_id = $1 AND g.merchant_id = $2 ORDER BY l.id DESC LIMIT 50`, id, int64(v.login.Merchant))
	if err != nil {
		return fmt.Errorf("reading a partner's links: %w", err)
	}
	if view.links, err = pgx.CollectRows(rows, pgx.RowToStructByName[partnerLink]); err != nil {
		return fmt.Errorf("reading a partner's links: %w", err)
	}
	return nil
}

func (s *Server) countPartner(ctx context.Context, v *visit, view *merchantPartnerView) (err error) {
	q := question{scope: v.scope(), period: view.period, partner: view.partner.ID}
	if view.clicks, err = s.daily(ctx, q, clicks()); err != nil {
		return err
	}
	if view.orders, err = s.daily(ctx, q, credited()); err != nil {
		return err
	}
	byLink, err := ask[int64](ctx, s.cfg.ClickHouse, q, clicks(), perLink)
	for i := range view.links {
		view.links[i].Clicks = byLink[view.links[i].ID]
	}
	return err
}

// chart is the partner's clicks above their orders.
func (view *merchantPartnerView) chart() chart.Days {
	return chart.Days{
		Title: "Clicks and orders by day",
		Description: fmt.Sprintf("%s: %s clicks and %s orders.", view.period.words(),
			count(view.clicks.total()), count(view.orders.total())),
		First: view.period.From, Open: view.period.open(view.at),
		Panels: []chart.Panel{
			{Name: "Clicks", Values: view.clicks.now, Before: view.clicks.before, Height: 120, Unit: 1, Text: count},
			{Name: "Orders", Values: view.orders.now, Bars: true, Height: 64, Unit: 1, Text: count},
		},
	}
}
