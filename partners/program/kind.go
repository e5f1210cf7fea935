package program

// Kind says what sort of partner somebody is; terms pay each kind its own rates.
type Kind string

// The kinds of partner.
const (
	// Site is a web site that brings visitors.
	Site Kind = "site"
	// Member is a customer of the merchant who refers others.
	Member Kind = "member"
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Site, Member} }
