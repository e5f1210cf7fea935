package dashboard

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"tributary/partners/access"
)

// audience says whose page it is. The zero value is nobody's: a route that names none is refused by a test.
type audience string

const (
	everyone        audience = "everyone"
	anybodySignedIn audience = "signed in"
	partnerOnly     audience = "partner"
	merchantOnly    audience = "merchant"
	operatorOnly    audience = "operator"
)

// A route is an entry of the table and whose page it is.
type route struct {
	entry

	who audience
}

// An entry is a path, what a role must be permitted to open it, and the page.
type entry struct {
	method, path string
	may          access.Permission
	page         func(c echo.Context, v *visit) error
}

// of makes routes of an audience.
func of(who audience, entries []entry) []route {
	routes := make([]route, len(entries))
	for i, e := range entries {
		routes[i] = route{e, who}
	}
	return routes
}

// routes is every page there is.
func (s *Server) routes() []route {
	return slices.Concat(of(everyone, s.openRoutes()), of(anybodySignedIn, s.ownRoutes()), of(partnerOnly, s.partnerRoutes()),
		of(merchantOnly, s.merchantRoutes()), of(operatorOnly, s.networkRoutes()))
}

const get, post = http.MethodGet, http.MethodPost

// openRoutes are the pages for which nobody need be signed in.
func (s *Server) openRoutes() []entry {
	return []entry{
		{get, "/", access.Anyone, s.home},
		{get, "/signin", access.Anyone, s.signInPage},
		{post, "/signin", access.Anyone, s.signIn},
		{get, "/setup", access.Anyone, s.setupPage},
		{post, "/setup", access.Anyone, s.setUp},
		{get, "/invite/:link", access.Anyone, s.invitation},
		{post, "/invite/:link", access.Anyone, s.accept},
		{get, "/reset/:link", access.Anyone, s.resetPage},
		{post, "/reset/:link", access.Anyone, s.reset},
	}
}

// ownRoutes are a person's own pages, whatever seat they are in.
func (s *Server) ownRoutes() []entry {
	return []entry{
		{post, "/signout", access.OwnAccount, s.signOut},
		{get, "/find", access.OwnAccount, s.lookup},
		{get, "/account", access.OwnAccount, s.accountPage},
		{post, "/account/password", access.OwnAccount, s.changePassword},
		{post, "/account/signout", access.OwnAccount, s.signOutEverywhere},
		{post, "/account/seat", access.OwnAccount, s.takeSeat},
	}
}

// partnerRoutes are the pages of partners.
func (s *Server) partnerRoutes() []entry {
	return []entry{
		{get, "/partner", access.See, s.partnerOverview},
		{get, "/partner/days.csv", access.See, s.partnerDaysCSV},
		{get, "/partner/commissions", access.See, s.commissions},
		{get, "/partner/commissions.csv", access.See, s.commissionsCSV},
		{get, "/partner/commissions/:order", access.See, s.why},
		{get, "/partner/find", access.See, s.find},
		{get, "/partner/periods", access.See, s.periods},
		{get, "/partner/periods.csv", access.See, s.periodsCSV},
		{get, "/partner/periods/:period", access.See, s.periodPage},
		{get, "/partner/periods/:period/over.csv", access.See, s.overCapCSV},
		{get, "/partner/claims", access.See, s.claims},
		{get, "/partner/claims.csv", access.See, s.claimsCSV},
		{get, "/partner/claims/new", access.Claim, s.newClaimPage},
		{post, "/partner/claims", access.Claim, s.claimOrder},
		{get, "/partner/links", access.See, s.links},
		{get, "/partner/links.csv", access.See, s.linksCSV},
		{get, "/partner/links/new", access.EditLinks, s.newLinkPage},
		{post, "/partner/links", access.EditLinks, s.createLink},
		{get, "/partner/links/:link", access.See, s.linkPage},
		{post, "/partner/links/:link/close", access.EditLinks, s.closeLink},
		{get, "/partner/coupons", access.See, s.coupons},
		{get, "/partner/coupons.csv", access.See, s.couponsCSV},
		{get, "/partner/manual", access.See, s.manual},
		{get, "/partner/manual.csv", access.See, s.manualCSV},
		{get, "/partner/people", access.See, s.people},
		{get, "/partner/people.csv", access.See, s.peopleCSV},
		{post, "/partner/people", access.EditSeats, s.invite},
		{post, "/partner/people/:seat/end", access.EditSeats, s.endSeat},
		{post, "/partner/invitations/:invitation/end", access.EditSeats, s.endInvitation},
		{get, "/partner/audit", access.ReadAudit, s.audit},
		{get, "/partner/audit.csv", access.ReadAudit, s.auditCSV},
		{get, "/partner/customers", access.See, s.broughtCustomers},
		{get, "/partner/customers.csv", access.See, s.broughtCSV},
		{get, "/partner/programs", access.See, s.programs},
		{get, "/partner/programs/:program/terms", access.See, s.agreedPage},
		{post, "/partner/programs/:program/terms/accept", access.Agree, s.acceptTerms},
		{get, "/partner/programs/:program/state", access.See, s.standing},
		{post, "/partner/programs/:program/state", access.Agree, s.setStanding},
	}
}

// merchantRoutes are the pages of merchants.
func (s *Server) merchantRoutes() []entry {
	return []entry{
		{get, "/merchant", access.See, s.merchantOverview},
		{get, "/merchant/days.csv", access.See, s.merchantDaysCSV},
		{get, "/merchant/partners", access.See, s.merchantPartners},
		{get, "/merchant/partners.csv", access.See, s.merchantPartnersCSV},
		{get, "/merchant/partners/:partner", access.See, s.merchantPartner},
		{get, "/merchant/partners/:partner/terms/:program", access.See, s.agreedPage},
		{post, "/merchant/partners/:partner/terms/:program", access.EditPartners, s.addFact},
		{get, "/merchant/partners/:partner/state/:program", access.See, s.standing},
		{post, "/merchant/partners/:partner/state/:program", access.EditPartners, s.setStanding},
		{get, "/merchant/customers", access.SeeCustomers, s.newCustomers},
		{get, "/merchant/customers.csv", access.SeeCustomers, s.newCustomersCSV},
		{get, "/merchant/customers/list", access.SeeCustomers, s.newCustomerList},
		{get, "/merchant/customers/list.csv", access.SeeCustomers, s.newCustomerListCSV},
		{get, "/merchant/customers/returning", access.SeeCustomers, s.returning},
		{get, "/merchant/customers/returning.csv", access.SeeCustomers, s.returningCSV},
		{get, "/merchant/customers/orders", access.SeeCustomers, s.ordersByCustomer},
		{get, "/merchant/customers/orders.csv", access.SeeCustomers, s.ordersByCustomerCSV},
		{get, "/merchant/customers/segments", access.SeeCustomers, s.segments},
		{get, "/merchant/customers/segments.csv", access.SeeCustomers, s.segmentsCSV},
		{get, "/merchant/customers/segments/list", access.SeeCustomers, s.segmentList},
		{get, "/merchant/customers/segments/list.csv", access.SeeCustomers, s.segmentListCSV},
		{get, "/merchant/orders", access.See, s.orders},
		{get, "/merchant/orders.csv", access.See, s.ordersCSV},
		{post, "/merchant/orders/review", access.Review, s.reviewOrders},
		{get, "/merchant/orders/:order", access.See, s.why},
		{post, "/merchant/orders/:order/review", access.Review, s.reviewOrder},
		{post, "/merchant/orders/:order/disputes", access.Review, s.disputeOrder},
		{get, "/merchant/orders/:order/disputes/:dispute", access.Review, s.disputeLost},
		{get, "/merchant/disputes", access.See, s.disputes},
		{get, "/merchant/disputes.csv", access.See, s.disputesCSV},
		{get, "/merchant/review", access.See, s.review},
		{get, "/merchant/review.csv", access.See, s.reviewCSV},
		{post, "/merchant/review", access.Review, s.reviewMany},
		{get, "/merchant/review/acts/:act", access.See, s.acted},
		{post, "/merchant/review/undo", access.Review, s.undoReview},
		{get, "/merchant/periods", access.See, s.periods},
		{get, "/merchant/periods.csv", access.See, s.periodsCSV},
		{get, "/merchant/periods/:period", access.See, s.periodPage},
		{get, "/merchant/manual", access.See, s.manual},
		{get, "/merchant/manual.csv", access.See, s.manualCSV},
		{post, "/merchant/manual", access.EnterLines, s.enterManual},
		{post, "/merchant/manual/:line", access.EnterLines, s.decideManual},
		{get, "/merchant/periods/:period/over.csv", access.See, s.overCapCSV},
		{get, "/merchant/conflicts", access.See, s.conflicts},
		{get, "/merchant/conflicts.csv", access.See, s.conflictsCSV},
		{get, "/merchant/claims", access.See, s.claims},
		{get, "/merchant/claims.csv", access.See, s.claimsCSV},
		{get, "/merchant/claims/:claim", access.See, s.claim},
		{post, "/merchant/claims/:claim", access.Review, s.settleClaim},
		{post, "/merchant/claims/:claim/undo", access.Review, s.undoClaim},
		{get, "/merchant/coupons", access.See, s.coupons},
		{get, "/merchant/coupons.csv", access.See, s.couponsCSV},
		{get, "/merchant/coupons/new", access.EditPartners, s.newCouponPage},
		{post, "/merchant/coupons", access.EditPartners, s.addCoupon},
		{get, "/merchant/coupons/file", access.EditPartners, s.couponFilePage},
		{post, "/merchant/coupons/file", access.EditPartners, s.addCouponFile},
		{get, "/merchant/coupons/:coupon", access.See, s.coupon},
		{post, "/merchant/coupons/:coupon/end", access.EditPartners, s.endCoupon},
		{get, "/merchant/developers", access.See, s.developers},
		{get, "/merchant/refusals", access.See, s.refusals},
		{get, "/merchant/refusals.csv", access.See, s.refusalsCSV},
		{post, "/merchant/keys", access.EditKeys, s.issueKey},
		{post, "/merchant/keys/:key/revoke", access.EditKeys, s.revokeKey},
		{get, "/merchant/people", access.See, s.people},
		{get, "/merchant/people.csv", access.See, s.peopleCSV},
		{post, "/merchant/people", access.EditSeats, s.invite},
		{post, "/merchant/people/:seat/reset", access.Recover, s.offerReset},
		{post, "/merchant/people/:seat/end", access.EditSeats, s.endSeat},
		{post, "/merchant/invitations/:invitation/end", access.EditSeats, s.endInvitation},
		{get, "/merchant/audit", access.ReadAudit, s.audit},
		{get, "/merchant/audit.csv", access.ReadAudit, s.auditCSV},
		{get, "/merchant/programs", access.See, s.programs},
		{get, "/merchant/programs/:program/terms", access.SetTerms, s.newTermsPage},
		{post, "/merchant/programs/:program/terms", access.SetTerms, s.setTerms},
	}
}

// networkRoutes are the operator's pages.
func (s *Server) networkRoutes() []entry {
	return []entry{
		{get, "/network", access.See, s.network},
		{get, "/network.csv", access.See, s.networkCSV},
		{get, "/network/merchants/customers", access.SeeCustomers, s.newCustomers},
		{get, "/network/merchants/customers.csv", access.SeeCustomers, s.newCustomersCSV},
		{get, "/network/merchants/customers/list", access.SeeCustomers, s.newCustomerList},
		{get, "/network/merchants/customers/list.csv", access.SeeCustomers, s.newCustomerListCSV},
		{get, "/network/merchants/customers/returning", access.SeeCustomers, s.returning},
		{get, "/network/merchants/customers/returning.csv", access.SeeCustomers, s.returningCSV},
		{get, "/network/merchants/customers/orders", access.SeeCustomers, s.ordersByCustomer},
		{get, "/network/merchants/customers/orders.csv", access.SeeCustomers, s.ordersByCustomerCSV},
		{get, "/network/merchants/customers/segments", access.SeeCustomers, s.segments},
		{get, "/network/merchants/customers/segments.csv", access.SeeCustomers, s.segmentsCSV},
		{get, "/network/merchants/customers/segments/list", access.SeeCustomers, s.segmentList},
		{get, "/network/merchants/customers/segments/list.csv", access.SeeCustomers, s.segmentListCSV},
		{get, "/network/orders/:order", access.See, s.why},
		{post, "/network/orders/:order/review", access.Review, s.reviewOrder},
		{post, "/network/orders/:order/disputes", access.Review, s.disputeOrder},
		{get, "/network/orders/:order/disputes/:dispute", access.Review, s.disputeLost},
		{get, "/network/disputes", access.See, s.disputes},
		{get, "/network/disputes.csv", access.See, s.disputesCSV},
		{get, "/network/review", access.See, s.review},
		{get, "/network/review.csv", access.See, s.reviewCSV},
		{post, "/network/review", access.Review, s.reviewMany},
		{get, "/network/review/acts/:act", access.See, s.acted},
		{post, "/network/review/undo", access.Review, s.undoReview},
		{get, "/network/customers", access.SeeCustomers, s.customers},
		{get, "/network/customers.csv", access.SeeCustomers, s.customersCSV},
		{post, "/network/customers", access.BindCustomers, s.bindCustomer},
		{get, "/network/manual", access.See, s.manual},
		{get, "/network/manual.csv", access.See, s.manualCSV},
		{post, "/network/manual", access.EnterLines, s.enterManual},
		{post, "/network/manual/:line", access.EnterLines, s.decideManual},
		{get, "/network/partners", access.See, s.enrolments},
		{get, "/network/partners.csv", access.See, s.enrolmentsCSV},
		{get, "/network/partners/:partner/state/:program", access.See, s.standing},
		{post, "/network/partners/:partner/state/:program", access.EditPartners, s.setStanding},
		{get, "/network/late", access.See, s.late},
		{get, "/network/late.csv", access.See, s.lateCSV},
		{get, "/network/people", access.See, s.people},
		{get, "/network/people.csv", access.See, s.peopleCSV},
		{post, "/network/people", access.EditSeats, s.invite},
		{post, "/network/people/:seat/reset", access.Recover, s.offerReset},
		{post, "/network/people/:seat/end", access.EditSeats, s.endSeat},
		{post, "/network/invitations/:invitation/end", access.EditSeats, s.endInvitation},
		{get, "/network/audit", access.ReadAudit, s.audit},
		{get, "/network/audit.csv", access.ReadAudit, s.auditCSV},
		{get, "/network/health", access.See, s.health},
	}
}
