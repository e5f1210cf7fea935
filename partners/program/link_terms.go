package program

// LinkTerms is whose a link is, and the terms in force for it as of a time: whoever decides an order has looked it up for
// each of its clicks. The zero LinkTerms is that of a link which does not exist.
type LinkTerms struct {
	Link     LinkID
	Merchant MerchantID
	Program  ProgramID
	Partner  PartnerID
	// Kind is the partner's.
	Kind Kind
	// Currencies are those that the program takes.
	Currencies []string
	// Terms are in force at that time; nil before the program's first.
	Terms *Terms
}
