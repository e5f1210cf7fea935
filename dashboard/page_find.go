package dashboard

import (
	"slices"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/internal/text"
	"tributary/report"
)

// findPath is where a partner looks an order up by the shop's id.
const findPath = "/partner/find"

func findURL(order string) templ.SafeURL {
	return templ.SafeURL(withQuery(findPath, report.FindQuery(order)))
}

// findView is what a look-up shows: nothing is asked for while order is empty.
type findView struct {
	order string
	found []foundOrder
	// claimed tells that the partner has claimed an order of this id.
	claimed bool
}

// A foundOrder is an order of the partner's with what programs read of it.
type foundOrder struct {
	report.FoundOrder

	written         string
	claimable, late bool
}

func (s *Server) find(c echo.Context, v *visit) error {
	order, err := report.ParseFind(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	view := findView{order: order}
	v.path = "/partner/commissions"
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) error {
		if order == "" {
			return nil
		}
		found, err := r.FindOrder(ctx, order)
		if err != nil {
			return err
		}
		for _, o := range found {
			written, err := o.JSON()
			if err != nil {
				return err
			}
			view.found = append(view.found, foundOrder{o, written, o.Claimable(v.at), o.Late(v.at)})
		}
		claims, err := r.Claims(ctx, report.ClaimFilter{Text: order}, report.PageSize)
		view.claimed = slices.ContainsFunc(claims.Rows, func(made report.Claim) bool { return made.OrderID == order })
		return err
	})
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.FindTitle(), findPage(view))
}

// explained is an order that earned nothing as the page of an order shows touches.
func (o *foundOrder) explained() whyView {
	view := whyView{role: partnerOnly}
	view.Decision = commission.Decision{Outcome: o.Outcome, Touches: o.Touches}
	view.Links = o.Links
	return view
}

// why says why the order earned the partner nothing.
func (o *foundOrder) why(t *text.Printer) string {
	if o.Outcome != "" {
		return reasonText(t, o.Outcome)
	}
	return t.FindTouches()
}

func newClaimURL(o *foundOrder) templ.SafeURL {
	return templ.SafeURL(withQuery("/partner/claims/new", report.NewClaim{Program: int64(o.Program()), Order: o.OrderID}.Query()))
}
