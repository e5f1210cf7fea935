package commission

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/internal/event"
)

// Review is what a person decided about an order: the content of a row of the inbox, but for its id and time.
type Review struct {
	// ID is unique within the order.
	ID string `json:"id"`
	// At is when it was made, by the database's clock.
	At   time.Time `json:"at"`
	Verb Verb      `json:"verb"`
	// Code says why, in the words of the one who decided.
	Code string `json:"code,omitempty"`
}

// Verb is what a review does.
type Verb string

// Void says that the order never was: nobody earns, nothing is counted, and what was posted is taken back at its own times.
const Void Verb = "void"

// Reviewed is the content of a row of the inbox: a review, and the order that it is of.
type Reviewed struct {
	Merchant int64         `json:"merchant"`
	Keys     event.KeyKind `json:"keys,omitempty"`
	Order    string        `json:"order"`
	Verb     Verb          `json:"verb"`
	Code     string        `json:"code,omitempty"`
}

// Key is the key of the order.
func (r *Reviewed) Key() []byte { return r.Keys.Key(r.Merchant, r.Order) }

// ParseReviewed reads the content of a row, which must be about the order that the row is of. A verb of a later version is a
// *NewerError.
func ParseReviewed(content, key []byte) (r Reviewed, err error) {
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("reading a review: %w", err)
	}
	switch {
	case r.Verb == "":
		return r, errors.New("reading a review: it has no verb")
	case r.Verb != Void:
		return r, &NewerError{What: fmt.Sprintf("verb %q of a review", r.Verb)}
	case string(r.Key()) != string(key):
		return r, fmt.Errorf("reading a review: it is of order %q of merchant %d, its row of %q", r.Order, r.Merchant, key)
	}
	return r, nil
}

// Of is the review, as of its row.
func (r *Reviewed) Of(id string, at time.Time) Review {
	return Review{ID: id, At: at.UTC(), Verb: r.Verb, Code: r.Code}
}

// review enters the reviews, in the order of their times, those of one time by their ids.
func (o *Order) review(reviews []Review) {
	if len(reviews) == 0 {
		return
	}
	o.Reviews = slices.SortedFunc(slices.Values(reviews), func(a, b Review) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
}

// IsVoid reports whether somebody has said that the order never was.
func (o *Order) IsVoid() bool {
	return slices.ContainsFunc(o.Reviews, func(r Review) bool { return r.Verb == Void })
}
