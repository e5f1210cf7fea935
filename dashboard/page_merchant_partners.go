package dashboard

import (
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/report"
)

// merchantPartnersView is what the page shows.
type merchantPartnersView struct {
	filter  report.PartnerFilter
	list    report.Partners
	missing bool
	at      time.Time
}

func (s *Server) merchantPartners(c echo.Context, v *visit) error {
	view, err := s.loadMerchantPartners(c, v, report.PageSize)
	if err != nil {
		return err
	}
	keepAddress(c, "/merchant/partners", view.filter.Query())
	return s.page(c, v, v.text.PartnersTitle(), merchantPartnersPage(view))
}

func (s *Server) loadMerchantPartners(c echo.Context, v *visit, limit int) (merchantPartnersView, error) {
	f, err := report.ParsePartners(c.QueryParams(), v.at)
	if err != nil {
		return merchantPartnersView{}, err
	}
	view := merchantPartnersView{filter: f, at: v.at}
	view.list, err = s.reports.Partners(c.Request().Context(), report.Question{Scope: v.scope(), Period: f.Period}, f, limit)
	view.missing = s.isMissing(v, view.list.Missing)
	return view, err
}

func (s *Server) merchantPartnersCSV(c echo.Context, v *visit) error {
	view, err := s.loadMerchantPartners(c, v, report.MaxPartners)
	if err != nil {
		return err
	}
	if view.list.More {
		c.Response().Header().Set(truncatedHeader, strconv.Itoa(report.MaxPartners))
	}
	heading := []string{"partner", "kind", "site", "clicks", "currency", "orders", "revenue", "commission", "fee", "cost"}
	return s.sendCSV(c, "partners", heading, func(w *export.Writer) error {
		for _, r := range view.list.Rows {
			for _, m := range orOne(r.Money) {
				in := inCurrency(m.Currency)
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

// truncatedHeader says after how many entries a file ends though its list has more.
const truncatedHeader = "X-Truncated-After"

// partnerSums lists a partner's money by currency.
func partnerSums(p report.Partner, of func(report.PartnerMoney) int64) []report.Amount {
	list := make([]report.Amount, len(p.Money))
	for i, m := range p.Money {
		list[i] = report.Amount{Currency: m.Currency, Minor: of(m)}
	}
	return list
}

// host is a site's address without its scheme, for reading.
func host(site string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(site, "https://"), "http://"), "/")
}
