package evidence

import (
	"fmt"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/event"
)

// Hear takes in what a row of the inbox says about the order that it is of. reported is the conflicting report that a review
// names, as an event, or nil. A row of a kind that this version does not know is a *commission.NewerError.
func Hear(said *commission.Said, row *inbox.Row, reported []byte) error {
	switch row.Kind {
	case inbox.Claim:
		c, err := commission.ParseClaimed(row.Content, row.Key)
		if err == nil {
			said.Claims = append(said.Claims, c.Of(row.At))
		}
		return err
	case inbox.Dispute:
		d, err := commission.ParseDisputed(row.Content, row.Key)
		if err == nil {
			said.Disputes = append(said.Disputes, d.Of(row.At))
		}
		return err
	case inbox.Review:
		r, err := commission.ParseReviewed(row.Content, row.Key)
		if err != nil {
			return err
		}
		review := r.Of(row.Ref, row.At, commission.Side(row.Side))
		if reported != nil {
			review.Reported, err = event.Decode(reported)
		}
		said.Reviews = append(said.Reviews, review)
		return err
	case inbox.Letter, inbox.Manual, inbox.Bind, inbox.Removal:
	}
	return &commission.NewerError{What: fmt.Sprintf("%q that people say of orders", row.Kind)}
}
