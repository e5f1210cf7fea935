package dashboard

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"tributary/internal/text"
)

// audience says who may open a page. The zero value is nobody's: a route that names none is refused by a test.
type audience string

const (
	everyone        audience = "everyone"
	anybodySignedIn audience = "signed in"
	partnerOnly     audience = "partner"
	merchantOnly    audience = "merchant"
	operatorOnly    audience = "operator"
)

// A route is a path, who may open it, and the page.
type route struct {
	method, path string
	who          audience
	page         func(c echo.Context, v *visit) error
}

// routes is every page there is.
func (s *Server) routes() []route {
	return slices.Concat(s.sharedRoutes(), s.partnerRoutes(), s.merchantRoutes(), s.networkRoutes())
}

const get, post = http.MethodGet, http.MethodPost

// sharedRoutes are the pages of everybody.
func (s *Server) sharedRoutes() []route {
	return []route{
		{get, "/", everyone, s.home},
		{get, "/signin", everyone, s.signInPage},
		{post, "/signin", everyone, s.signIn},
		{post, "/signout", anybodySignedIn, s.signOut},
		{get, "/account", anybodySignedIn, s.accountPage},
		{post, "/account/password", anybodySignedIn, s.changePassword},
		{post, "/account/signout", anybodySignedIn, s.signOutEverywhere},
	}
}

// partnerRoutes are the pages of partners.
func (s *Server) partnerRoutes() []route {
	return []route{
		{get, "/partner", partnerOnly, s.partnerOverview},
		{get, "/partner/days.csv", partnerOnly, s.partnerDaysCSV},
		{get, "/partner/commissions", partnerOnly, s.commissions},
		{get, "/partner/commissions.csv", partnerOnly, s.commissionsCSV},
		{get, "/partner/commissions/:order", partnerOnly, s.why},
		{get, "/partner/periods", partnerOnly, s.periods},
		{get, "/partner/periods.csv", partnerOnly, s.periodsCSV},
		{get, "/partner/periods/:period", partnerOnly, s.periodPage},
		{get, "/partner/periods/:period/over.csv", partnerOnly, s.overCapCSV},
		{get, "/partner/find", partnerOnly, s.find},
		{get, "/partner/claims", partnerOnly, s.claims},
		{get, "/partner/claims.csv", partnerOnly, s.claimsCSV},
		{get, "/partner/claims/new", partnerOnly, s.newClaimPage},
		{post, "/partner/claims", partnerOnly, s.claimOrder},
		{get, "/partner/links", partnerOnly, s.links},
		{get, "/partner/links.csv", partnerOnly, s.linksCSV},
		{get, "/partner/links/new", partnerOnly, s.newLinkPage},
		{post, "/partner/links", partnerOnly, s.createLink},
		{get, "/partner/links/:link", partnerOnly, s.linkPage},
		{post, "/partner/links/:link/close", partnerOnly, s.closeLink},
		{get, "/partner/coupons", partnerOnly, s.coupons},
		{get, "/partner/coupons.csv", partnerOnly, s.couponsCSV},
		{get, "/partner/manual", partnerOnly, s.manual},
		{get, "/partner/manual.csv", partnerOnly, s.manualCSV},
		{get, "/partner/programs", partnerOnly, s.programs},
		{get, "/partner/programs/:program/terms", partnerOnly, s.agreedPage},
		{post, "/partner/programs/:program/terms/accept", partnerOnly, s.acceptTerms},
	}
}

// merchantRoutes are the pages of merchants.
func (s *Server) merchantRoutes() []route {
	return []route{
		{get, "/merchant", merchantOnly, s.merchantOverview},
		{get, "/merchant/days.csv", merchantOnly, s.merchantDaysCSV},
		{get, "/merchant/partners", merchantOnly, s.merchantPartners},
		{get, "/merchant/partners.csv", merchantOnly, s.merchantPartnersCSV},
		{get, "/merchant/partners/:partner", merchantOnly, s.merchantPartner},
		{get, "/merchant/partners/:partner/terms/:program", merchantOnly, s.agreedPage},
		{post, "/merchant/partners/:partner/terms/:program", merchantOnly, s.addFact},
		{get, "/merchant/orders", merchantOnly, s.orders},
		{get, "/merchant/orders.csv", merchantOnly, s.ordersCSV},
		{post, "/merchant/orders/review", merchantOnly, s.reviewOrders},
		{get, "/merchant/orders/:order", merchantOnly, s.why},
		{post, "/merchant/orders/:order/review", merchantOnly, s.reviewOrder},
		{post, "/merchant/orders/:order/disputes", merchantOnly, s.disputeOrder},
		{get, "/merchant/disputes", merchantOnly, s.disputes},
		{get, "/merchant/disputes.csv", merchantOnly, s.disputesCSV},
		{get, "/merchant/review", merchantOnly, s.review},
		{get, "/merchant/review.csv", merchantOnly, s.reviewCSV},
		{post, "/merchant/review", merchantOnly, s.reviewMany},
		{get, "/merchant/review/acts/:act", merchantOnly, s.acted},
		{post, "/merchant/review/undo", merchantOnly, s.undoReview},
		{get, "/merchant/periods", merchantOnly, s.periods},
		{get, "/merchant/periods.csv", merchantOnly, s.periodsCSV},
		{get, "/merchant/periods/:period", merchantOnly, s.periodPage},
		{get, "/merchant/manual", merchantOnly, s.manual},
		{get, "/merchant/manual.csv", merchantOnly, s.manualCSV},
		{post, "/merchant/manual", merchantOnly, s.enterManual},
		{post, "/merchant/manual/:line", merchantOnly, s.decideManual},
		{get, "/merchant/periods/:period/over.csv", merchantOnly, s.overCapCSV},
		{get, "/merchant/conflicts", merchantOnly, s.conflicts},
		{get, "/merchant/conflicts.csv", merchantOnly, s.conflictsCSV},
		{get, "/merchant/claims", merchantOnly, s.claims},
		{get, "/merchant/claims.csv", merchantOnly, s.claimsCSV},
		{get, "/merchant/claims/:claim", merchantOnly, s.claim},
		{post, "/merchant/claims/:claim", merchantOnly, s.settleClaim},
		{post, "/merchant/claims/:claim/undo", merchantOnly, s.undoClaim},
		{get, "/merchant/coupons", merchantOnly, s.coupons},
		{get, "/merchant/coupons.csv", merchantOnly, s.couponsCSV},
		{get, "/merchant/coupons/new", merchantOnly, s.newCouponPage},
		{post, "/merchant/coupons", merchantOnly, s.addCoupon},
		{get, "/merchant/coupons/file", merchantOnly, s.couponFilePage},
		{post, "/merchant/coupons/file", merchantOnly, s.addCouponFile},
		{get, "/merchant/coupons/:coupon", merchantOnly, s.coupon},
		{post, "/merchant/coupons/:coupon/end", merchantOnly, s.endCoupon},
		{get, "/merchant/developers", merchantOnly, s.developers},
		{get, "/merchant/refusals", merchantOnly, s.refusals},
		{get, "/merchant/refusals.csv", merchantOnly, s.refusalsCSV},
		{post, "/merchant/keys", merchantOnly, s.issueKey},
		{post, "/merchant/keys/:key/revoke", merchantOnly, s.revokeKey},
		{get, "/merchant/programs", merchantOnly, s.programs},
		{get, "/merchant/programs/:program/terms", merchantOnly, s.newTermsPage},
		{post, "/merchant/programs/:program/terms", merchantOnly, s.setTerms},
	}
}

// networkRoutes are the operator's pages.
func (s *Server) networkRoutes() []route {
	return []route{
		{get, "/network", operatorOnly, s.network},
		{get, "/network.csv", operatorOnly, s.networkCSV},
		{get, "/network/orders/:order", operatorOnly, s.why},
		{post, "/network/orders/:order/review", operatorOnly, s.reviewOrder},
		{post, "/network/orders/:order/disputes", operatorOnly, s.disputeOrder},
		{get, "/network/disputes", operatorOnly, s.disputes},
		{get, "/network/disputes.csv", operatorOnly, s.disputesCSV},
		{get, "/network/review", operatorOnly, s.review},
		{get, "/network/review.csv", operatorOnly, s.reviewCSV},
		{post, "/network/review", operatorOnly, s.reviewMany},
		{get, "/network/review/acts/:act", operatorOnly, s.acted},
		{post, "/network/review/undo", operatorOnly, s.undoReview},
		{get, "/network/customers", operatorOnly, s.customers},
		{post, "/network/customers", operatorOnly, s.bindCustomer},
		{get, "/network/manual", operatorOnly, s.manual},
		{get, "/network/manual.csv", operatorOnly, s.manualCSV},
		{post, "/network/manual", operatorOnly, s.enterManual},
		{post, "/network/manual/:line", operatorOnly, s.decideManual},
		{get, "/network/late", operatorOnly, s.late},
		{get, "/network/late.csv", operatorOnly, s.lateCSV},
		{get, "/network/health", operatorOnly, s.health},
	}
}

// A tab is an entry of the navigation.
type tab struct {
	path string
	name func(*text.Printer) string
	icon string
	// counts tells that it shows how much awaits a decision.
	counts bool
}

// tabs is the navigation of a role.
func tabs(role string) []tab {
	switch audience(role) {
	case partnerOnly:
		return []tab{
			{path: "/partner", name: (*text.Printer).TabOverview, icon: "chart"},
			{path: "/partner/commissions", name: (*text.Printer).TabCommissions, icon: "coins"},
			{path: "/partner/periods", name: (*text.Printer).PeriodTitle, icon: "check"},
			{path: "/partner/links", name: (*text.Printer).TabLinks, icon: "link"},
			{path: "/partner/coupons", name: (*text.Printer).TabCoupons, icon: "tag"},
			{path: "/partner/programs", name: (*text.Printer).TabPrograms, icon: "book"},
		}
	case merchantOnly:
		return []tab{
			{path: "/merchant", name: (*text.Printer).TabOverview, icon: "chart"},
			{path: "/merchant/orders", name: (*text.Printer).TabOrders, icon: "bag"},
			{path: "/merchant/periods", name: (*text.Printer).PeriodTitle, icon: "check"},
			{path: "/merchant/review", name: (*text.Printer).TabReview, icon: "clock", counts: true},
			{path: "/merchant/partners", name: (*text.Printer).TabPartners, icon: "people"},
			{path: "/merchant/conflicts", name: (*text.Printer).TabConflicts, icon: "alert"},
			{path: "/merchant/programs", name: (*text.Printer).TabPrograms, icon: "book"},
			{path: "/merchant/coupons", name: (*text.Printer).TabCoupons, icon: "tag"},
			{path: "/merchant/manual", name: (*text.Printer).TabManual, icon: "coins"},
			{path: "/merchant/developers", name: (*text.Printer).TabDevelopers, icon: "code"},
		}
	case operatorOnly:
		return []tab{
			{path: "/network", name: (*text.Printer).TabNetwork, icon: "people"},
			{path: "/network/review", name: (*text.Printer).TabReview, icon: "clock"},
			{path: "/network/customers", name: (*text.Printer).TabCustomers, icon: "person"},
			{path: "/network/manual", name: (*text.Printer).TabManual, icon: "coins"},
			{path: "/network/health", name: (*text.Printer).TabHealth, icon: "alert"},
		}
	case everyone, anybodySignedIn:
	}
	return nil
}

// homeOf is where a role begins.
func homeOf(role string) string {
	if t := tabs(role); len(t) > 0 {
		return t[0].path
	}
	return "/account"
}
