package commission

// Said is what people said about an order, in any order: its reviews, and what was said about claims and disputes of it.
type Said struct {
	Reviews  []Review
	Claims   []Claim
	Disputes []Dispute
}
