package dashboard

import (
	"strings"

	"tributary/internal/text"
	"tributary/partners/access"
)

// A tab is an entry of the navigation: a job that people come for.
type tab struct {
	path string
	name func(*text.Printer) string
	icon string
	// group heads the entries from this one on; nil goes on with what stands above.
	group func(*text.Printer) string
	// may is what a role needs to open it.
	may access.Permission
	// counts tells that it shows how much awaits a decision.
	counts bool
}

// barTabs is how many tabs stand in the bar of a phone, beside the button that shows them all.
const barTabs = 4

// tabs is the navigation of an audience, the most frequent job first: the first barTabs are those of a phone's bar.
func tabs(who audience) []tab {
	switch who {
	case partnerOnly:
		return partnerTabs()
	case merchantOnly:
		return merchantTabs()
	case operatorOnly:
		return networkTabs()
	case everyone, anybodySignedIn:
	}
	return nil
}

func partnerTabs() []tab {
	return []tab{
		{path: "/partner", name: (*text.Printer).TabOverview, icon: "home", may: access.See},
		{path: "/partner/commissions", name: (*text.Printer).TabCommissions, icon: "coins", may: access.See},
		{path: "/partner/links", name: (*text.Printer).TabLinks, icon: "link", may: access.See},
		{path: "/partner/programs", name: (*text.Printer).TabPrograms, icon: "book", may: access.See},
		{path: "/partner/customers", name: (*text.Printer).TabNewCustomers, icon: "person", may: access.See},
		{path: "/partner/periods", name: (*text.Printer).PeriodTitle, icon: "check", may: access.See},
		{path: "/partner/coupons", name: (*text.Printer).TabCoupons, icon: "tag", may: access.See},
		{path: "/partner/people", name: (*text.Printer).PeopleTitle, icon: "people", group: (*text.Printer).TabsSetUp, may: access.See},
		{path: "/partner/audit", name: (*text.Printer).AuditTitle, icon: "list", may: access.ReadAudit},
	}
}

func merchantTabs() []tab {
	return []tab{
		{path: "/merchant", name: (*text.Printer).TabOverview, icon: "home", may: access.See},
		{path: "/merchant/orders", name: (*text.Printer).TabOrders, icon: "bag", may: access.See},
		{path: "/merchant/partners", name: (*text.Printer).TabPartners, icon: "people", may: access.See},
		{path: "/merchant/review", name: (*text.Printer).TabReview, icon: "shield", may: access.See, counts: true},
		{path: "/merchant/customers", name: (*text.Printer).TabCustomers, icon: "person", may: access.SeeCustomers},
		{path: "/merchant/conflicts", name: (*text.Printer).TabConflicts, icon: "alert", may: access.See},
		{path: "/merchant/programs", name: (*text.Printer).TabPrograms, icon: "book", group: (*text.Printer).TabsTerms, may: access.See},
		{path: "/merchant/periods", name: (*text.Printer).PeriodTitle, icon: "check", may: access.See},
		{path: "/merchant/coupons", name: (*text.Printer).TabCoupons, icon: "tag", may: access.See},
		{path: "/merchant/manual", name: (*text.Printer).TabManual, icon: "coins", may: access.See},
		{path: "/merchant/developers", name: (*text.Printer).TabDevelopers, icon: "code", group: (*text.Printer).TabsSetUp, may: access.See},
		{path: "/merchant/refusals", name: (*text.Printer).RefusalsTitle, icon: "clock", may: access.See},
		{path: "/merchant/people", name: (*text.Printer).PeopleTitle, icon: "key", may: access.See},
		{path: "/merchant/audit", name: (*text.Printer).AuditTitle, icon: "list", may: access.ReadAudit},
	}
}

func networkTabs() []tab {
	return []tab{
		{path: "/network", name: (*text.Printer).TabOverview, icon: "home", may: access.See},
		{path: "/network/review", name: (*text.Printer).TabReview, icon: "shield", may: access.See},
		{path: "/network/partners", name: (*text.Printer).TabPartners, icon: "people", may: access.See},
		{path: "/network/health", name: (*text.Printer).TabHealth, icon: "pulse", may: access.See},
		{path: "/network/customers", name: (*text.Printer).TabCustomers, icon: "person", may: access.SeeCustomers},
		{path: "/network/manual", name: (*text.Printer).TabManual, icon: "coins", may: access.See},
		{path: "/network/people", name: (*text.Printer).PeopleTitle, icon: "key", group: (*text.Printer).TabsSetUp, may: access.See},
		{path: "/network/audit", name: (*text.Printer).AuditTitle, icon: "list", may: access.ReadAudit},
	}
}

// tabs are those of the visit's audience that its role may open.
func (v *visit) tabs() []tab {
	var may []tab
	for _, t := range tabs(v.who()) {
		if v.may(t.may) {
			may = append(may, t)
		}
	}
	return may
}

// tabOf is the path of the tab that a page is within, the innermost one; empty for none.
func tabOf(who audience, path string) string {
	within := ""
	base := reviewBase(who)
	if path == base+"/disputes" || strings.HasPrefix(path+"/", "/merchant/claims/") {
		path = base + "/review" // leads there
	}
	for _, t := range tabs(who) {
		if len(t.path) > len(within) && strings.HasPrefix(path+"/", t.path+"/") {
			within = t.path
		}
	}
	return within
}

// homeOf is where an audience begins.
func homeOf(who audience) string {
	if t := tabs(who); len(t) > 0 {
		return t[0].path
	}
	return "/account"
}
