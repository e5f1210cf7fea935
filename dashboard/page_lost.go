package dashboard

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/report"
)

// lostView says what happens if a dispute of an order was lost, before somebody says so.
type lostView struct {
	whyView

	of   report.Dispute
	left []commission.Left // by credit
}

// disputeLost asks for confirmation that a dispute was lost. One of which nobody may say so is shown as it stands.
func (s *Server) disputeLost(c echo.Context, v *visit) error {
	order, is := report.ParseID(c.Param("order"))
	no, ok := report.ParseID(c.Param("dispute"))
	if !is || !ok {
		return notFound()
	}
	view := lostView{whyView: whyView{at: v.at, forMerchant: true, role: v.who()}}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.Explanation, err = r.Explain(ctx, order)
		return err
	})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(view.Disputes, func(d report.Dispute) bool { return d.No == no })
	if i < 0 {
		return notFound()
	}
	if view.of = view.Disputes[i]; !view.of.Settleable() {
		return s.redirect(c, view.path())
	}
	view.left = view.Decision.IfLost(view.of.Ref)
	v.path = view.path()
	return s.framed(c, v, http.StatusOK, v.text.LostTitle(view.of.Ref), lostPage(&view))
}

// A lostRow is what somebody has, and what is taken of that.
type lostRow struct {
	credit    *commission.Credit // nil for the network's fee
	unit      string
	has, left int64
}

// rows are those from whom something is taken, or would be, and the network's fee last.
func (view *lostView) rows() (rows []lostRow) {
	fee := lostRow{unit: view.Decision.Order.Currency}
	for i, left := range view.left {
		c := &view.Decision.Credits[i]
		fee.has, fee.left = fee.has+c.Fee, fee.left+left.Fee
		if c.Net != 0 || left.Net != 0 {
			rows = append(rows, lostRow{c, c.Unit, c.Net, left.Net})
		}
	}
	if fee.has != 0 || fee.left != 0 {
		rows = append(rows, fee)
	}
	return rows
}

// counted tells whether the order counts in a period.
func (view *lostView) counted() bool {
	return slices.ContainsFunc(view.Decision.Credits, func(c commission.Credit) bool { return c.Counted != nil })
}

// paid tells whether any of what is taken is payable already.
func (view *lostView) paid() bool {
	return slices.ContainsFunc(view.Earnings, func(e report.Earning) bool { return e.Payable > 0 })
}
