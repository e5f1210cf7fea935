package access

import "slices"

// An Org is the kind of organisation that a seat is in.
type Org string

// The kinds of organisations.
const (
	OfNetwork  Org = "network"
	OfMerchant Org = "merchant"
	OfPartner  Org = "partner"
)

// A Role is what somebody is in the organisation of their seat.
type Role string

// The roles. Every organisation has an Owner; the others are of some only, see roles.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Payouts   Role = "payouts"
	Support   Role = "support"
	Auditor   Role = "auditor"
	Manager   Role = "manager"
	Finance   Role = "finance"
	Developer Role = "developer"
	Editor    Role = "editor"
	Viewer    Role = "viewer"
)

// A Permission is what a route asks for.
type Permission string

// The permissions. Each is held by the roles that the table below gives it to.
const (
	// Anyone asks for nothing, not even to be signed in.
	Anyone Permission = "anyone"
	// OwnAccount is everybody's, to what is their own.
	OwnAccount Permission = "own account"
	// See is to the pages and files of the organisation.
	See Permission = "see"
	// SeeCustomers is to the pages and files about customers.
	SeeCustomers Permission = "see customers"
	// EditLinks makes and closes links.
	EditLinks Permission = "edit links"
	// Claim asks for an order that was not credited.
	Claim Permission = "claim orders"
	// Agree accepts terms for the partner.
	Agree Permission = "agree to terms"
	// Review decides over orders, claims and conflicts.
	Review Permission = "review orders"
	// EditPartners says what holds for a partner and where they stand, and gives and ends coupons.
	EditPartners Permission = "edit partners"
	// SetTerms sets a program's terms.
	SetTerms Permission = "set terms"
	// EditKeys issues and revokes API keys.
	EditKeys Permission = "edit keys"
	// EnterLines enters and decides commission lines by hand.
	EnterLines Permission = "enter lines"
	// EditSeats invites people into the organisation, and ends their seats.
	EditSeats Permission = "edit seats"
	// Recover makes a link by which somebody sets another password.
	Recover Permission = "recover people"
	// BindCustomers binds a customer to a partner.
	BindCustomers Permission = "bind customers"
	// ReadAudit reads the organisation's audit log.
	ReadAudit Permission = "read the audit log"
)

// roles is who may do what: the one place that says so. migrations/postgres/00110_seats.sql knows the names.
var roles = map[Org]map[Role][]Permission{ //nolint:gochecknoglobals // a table
	OfNetwork: {
		Owner:   {See, SeeCustomers, ReadAudit, EditSeats, Recover, Review, BindCustomers, EditPartners, EnterLines},
		Admin:   {See, SeeCustomers, ReadAudit, EditSeats, Recover, Review, BindCustomers, EditPartners, EnterLines},
		Payouts: {See, EnterLines},
		Support: {See, SeeCustomers, ReadAudit, Recover},
		Auditor: {See, SeeCustomers, ReadAudit},
	},
	OfMerchant: {
		Owner:     {See, SeeCustomers, ReadAudit, EditSeats, Recover, Review, EditPartners, SetTerms, EnterLines, EditKeys},
		Manager:   {See, SeeCustomers, ReadAudit, Review, EditPartners, SetTerms, EnterLines},
		Finance:   {See, EnterLines},
		Developer: {See, EditKeys},
		Viewer:    {See, SeeCustomers},
	},
	OfPartner: {
		Owner:  {See, ReadAudit, EditSeats, EditLinks, Claim, Agree},
		Editor: {See, EditLinks, Claim},
		Viewer: {See},
	},
}

// May tells whether a role of an organisation holds a permission. A role that the organisation does not have holds none.
func May(org Org, role Role, p Permission) bool {
	held, is := roles[org][role]
	return p == Anyone || is && (p == OwnAccount || slices.Contains(held, p))
}

// RolesOf are the roles of an organisation, by name.
func RolesOf(org Org) []Role {
	all := make([]Role, 0, len(roles[org]))
	for r := range roles[org] {
		all = append(all, r)
	}
	slices.Sort(all)
	return all
}
