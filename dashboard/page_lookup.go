package dashboard

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/internal/text"
	"tributary/partners/access"
	"tributary/report"
)

// lookupPath is where anything is looked up, from the dialog that a key opens or on a page of its own.
const lookupPath = "/find"

// lookupView is what a look-up shows: nothing is asked for while asked is empty.
type lookupView struct {
	asked string
	found []lookupHit
}

// A lookupHit leads to something: a row, a page or an action.
type lookupHit struct {
	icon, name, of string
	// said tells that the name is a message and no data.
	said bool
	kind string
	path string
}

func (s *Server) lookup(c echo.Context, v *visit) error {
	asked, err := report.ParseFind(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	view := lookupView{asked: asked}
	if asked != "" {
		view.found = v.jobs(asked)
	}
	if asked != "" && v.may(access.See) {
		ctx := c.Request().Context()
		err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) error {
			matches, err := r.Lookup(ctx, asked)
			for _, m := range matches {
				view.found = append(view.found, v.hit(m))
			}
			return err
		})
		if err != nil {
			return err
		}
		view.found = append(view.found, v.lists(asked)...)
	}
	return s.page(c, v, v.text.LookupTitle(), lookupPage(view))
}

// jobs are the pages and actions of the visit's role whose name holds what was asked.
func (v *visit) jobs(asked string) (found []lookupHit) {
	fits := func(name string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(asked)) }
	for _, t := range v.tabs() {
		if name := t.name(v.text); fits(name) {
			found = append(found, lookupHit{icon: t.icon, name: name, said: true, kind: v.text.LookupPage(), path: t.path})
		}
	}
	for _, a := range actions(v.who()) {
		if name := a.name(v.text); v.may(a.may) && fits(name) {
			found = append(found, lookupHit{icon: "plus", name: name, said: true, kind: v.text.LookupAction(), path: a.path})
		}
	}
	if name := v.text.AccountTitle(); fits(name) {
		found = append(found, lookupHit{icon: "person", name: name, said: true, kind: v.text.LookupPage(), path: "/account"})
	}
	return found
}

// actions are what an audience does, with the permission that doing it asks for.
func actions(who audience) []tab {
	switch who {
	case partnerOnly:
		return []tab{
			{path: "/partner/links/new", name: (*text.Printer).NewLinkTitle, may: access.EditLinks},
			{path: "/partner/claims/new", name: (*text.Printer).ClaimsNew, may: access.Claim},
			{path: "/partner/people", name: (*text.Printer).PeopleInvite, may: access.EditSeats},
		}
	case merchantOnly:
		return []tab{
			{path: "/merchant/coupons/new", name: (*text.Printer).CouponsNew, may: access.EditPartners},
			{path: "/merchant/developers", name: (*text.Printer).DevelopersIssue, may: access.EditKeys},
			{path: "/merchant/people", name: (*text.Printer).PeopleInvite, may: access.EditSeats},
		}
	case operatorOnly:
		return []tab{{path: "/network/people", name: (*text.Printer).PeopleInvite, may: access.EditSeats}}
	case everyone, anybodySignedIn:
	}
	return nil
}

// hit is a row as the visit's audience has it.
func (v *visit) hit(m report.Match) lookupHit {
	h := lookupHit{name: m.Name, of: m.Of}
	switch m.Kind {
	case report.LookupOrder:
		h.icon, h.kind, h.path = "bag", v.text.LookupOrder(), v.orderPath(m)
	case report.LookupLink:
		h.icon, h.kind, h.path = "link", v.text.LookupLink(), "/partner/links/"+number(m.ID)
		if v.who() != partnerOnly {
			h.path = v.partnerPath(m.Partner, m.Of)
		}
	case report.LookupPartner:
		h.icon, h.kind, h.path = "people", v.text.LookupPartner(), v.partnerPath(m.ID, m.Name)
	case report.LookupMerchant:
		h.icon, h.kind, h.path = "bag", v.text.LookupMerchant(), v.merchantPath(m)
	case report.LookupProgram:
		h.icon, h.kind, h.path = "book", v.text.LookupProgram(), homeOf(v.who())+"/programs/"+number(m.ID)+"/terms"
	case report.LookupCoupon:
		h.icon, h.kind, h.path = "tag", v.text.LookupCoupon(), couponURL(m.ID)
	}
	return h
}

// orderPath is the page of an order; of one that earns a partner nothing, the page that says why.
func (v *visit) orderPath(m report.Match) string {
	switch {
	case v.who() == operatorOnly:
		return "/network/orders/" + number(m.ID)
	case v.who() == partnerOnly && !m.Earns:
		return string(findURL(m.Name))
	}
	return string(whyURL(v.who() == merchantOnly, m.ID))
}

// partnerPath is a partner's page for a merchant, and their place in the operator's list.
func (v *visit) partnerPath(id int64, name string) string {
	if v.who() == operatorOnly {
		return withQuery("/network/partners", report.EnrolmentFilter{Text: name}.Query())
	}
	return "/merchant/partners/" + number(id)
}

// merchantPath is the report on a merchant's customers, and for a role that may not see them the operator's list of merchants.
func (v *visit) merchantPath(m report.Match) string {
	if !v.may(access.SeeCustomers) {
		return withQuery("/network", url.Values{"q": {m.Name}})
	}
	return withQuery(networkCustomers, report.CustomersFilter{Merchant: m.ID, Span: report.CustomerSpan{Preset: 90}, Later: -1}.Query())
}

// lists lead to the audience's list of orders, narrowed to what was asked.
func (v *visit) lists(asked string) []lookupHit {
	path := map[audience]string{partnerOnly: "/partner/commissions", merchantOnly: "/merchant/orders", operatorOnly: "/network/review"}[v.who()]
	name := cmp.Or(map[audience]string{operatorOnly: v.text.LookupInReview(asked)}[v.who()], v.text.LookupInOrders(asked))
	return []lookupHit{{icon: "search", name: name, said: true, kind: v.text.LookupList(), path: withQuery(path, url.Values{"q": {asked}})}}
}

func number(id int64) string { return strconv.FormatInt(id, 10) }
