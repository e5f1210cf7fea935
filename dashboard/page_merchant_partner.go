package dashboard

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/partners/program"
	"tributary/report"
)

// merchantPartnerView is one partner as a merchant sees them.
type merchantPartnerView struct {
	partner        report.PartnerOfMerchant
	period         report.Period
	at             time.Time
	money          []report.Money
	latest         []report.Commission
	clicks, orders report.Series
	missing        bool
}

func (s *Server) merchantPartner(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("partner"))
	if !ok {
		return notFound()
	}
	period, err := report.ParsePeriod(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	view := merchantPartnerView{period: period, at: v.at}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.partner, err = r.PartnerOfMerchant(ctx, id); err != nil {
			return err
		}
		if view.money, err = r.Money(ctx, period, program.PartnerID(id)); err != nil {
			return err
		}
		latest, err := r.Commissions(ctx, report.CommissionFilter{Partner: program.PartnerID(id)}, 10)
		view.latest = latest.Rows
		return err
	})
	if err != nil {
		return err
	}
	q := report.Question{Scope: v.scope(), Period: period, Partner: id}
	view.missing = s.isMissing(v, s.countPartner(ctx, q, &view))
	return s.page(c, v, v.text.PartnerTitle(view.partner.Name), merchantPartnerPage(view))
}

func (s *Server) countPartner(ctx context.Context, q report.Question, view *merchantPartnerView) (err error) {
	if view.clicks, err = s.reports.Daily(ctx, q, report.Clicks()); err != nil {
		return err
	}
	if view.orders, err = s.reports.Daily(ctx, q, report.CreditedOrders()); err != nil {
		return err
	}
	byLink, err := s.reports.CountBy(ctx, q, report.Clicks(), report.ByLink)
	links := view.partner.Links
	for i := range links {
		links[i].Clicks = byLink[links[i].ID]
	}
	return err
}
