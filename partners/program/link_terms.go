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
	// Terms are in force for the partner at that time; nil before the program's first.
	Terms *Terms
	// Enrolment is what is known of the partner in the program as of that time.
	Enrolment Enrolment
	// Facts are those of the partner in the program, at whatever times, for StateAt: a touch is asked as of its own time. They ascend
	// by From and No, and nobody changes them. Of most partners there are none.
	Facts []Fact
	// NotAccepted says that the partner should have accepted later terms by then, and earns nothing.
	NotAccepted bool
}
