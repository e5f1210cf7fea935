package commission

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// A partner may say that an order is theirs, of which no touch of the order tells. The claim is open until the merchant or the
// operator grants or declines it; one that is granted comes before every other touch.

// ClaimWithin is for how long after an order, or after the receipt of its report where that is later, it can be claimed.
const ClaimWithin = 90 * 24 * time.Hour

// ClaimOutcome is what has become of a claim.
type ClaimOutcome string

// The outcomes.
const (
	ClaimIsOpen     ClaimOutcome = "open"
	ClaimIsGranted  ClaimOutcome = "granted"
	ClaimIsDeclined ClaimOutcome = "declined"
)

// ClaimOutcomes are all of them.
func ClaimOutcomes() []ClaimOutcome {
	return []ClaimOutcome{ClaimIsOpen, ClaimIsGranted, ClaimIsDeclined}
}

// Claim is what somebody said about a claim: that it is made, or what becomes of it.
type Claim struct {
	// ID is unique within the order.
	ID string
	// At is when it was said, by the database's clock.
	At      time.Time
	Program program.ProgramID
	Partner program.PartnerID
	Outcome ClaimOutcome
}

// Claimed is the content of a row of the inbox: what was said about a claim, and the order that it is of.
type Claimed struct {
	Merchant int64             `json:"merchant"`
	Keys     event.KeyKind     `json:"keys,omitempty"`
	Order    string            `json:"order"`
	Claim    string            `json:"claim"`
	Program  program.ProgramID `json:"program"`
	Partner  program.PartnerID `json:"partner"`
	Outcome  ClaimOutcome      `json:"outcome"`
	// Click is a click id by which the partner says that the customer came, for whoever decides.
	Click string `json:"click,omitempty"`
}

// Key is the key of the order.
func (c *Claimed) Key() []byte { return c.Keys.Key(c.Merchant, c.Order) }

// ParseClaimed reads the content of a row, which must be about the order that the row is of. An outcome of a later version is a
// *NewerError.
func ParseClaimed(content, key []byte) (c Claimed, err error) {
	if err := json.Unmarshal(content, &c); err != nil {
		return c, fmt.Errorf("reading a claim: %w", err)
	}
	switch {
	case c.Outcome == "" || c.Claim == "" || c.Program == 0 || c.Partner == 0:
		return c, errors.New("reading a claim: it lacks its id, its program, its partner or its outcome")
	case !slices.Contains(ClaimOutcomes(), c.Outcome):
		return c, &NewerError{What: fmt.Sprintf("outcome %q of a claim", c.Outcome)}
	case string(c.Key()) != string(key):
		return c, fmt.Errorf("reading a claim: it is of order %q of merchant %d, its row of %q", c.Order, c.Merchant, key)
	}
	return c, nil
}

// Of is what was said, as of its row.
func (c *Claimed) Of(at time.Time) Claim {
	return Claim{ID: c.Claim, At: at.UTC(), Program: c.Program, Partner: c.Partner, Outcome: c.Outcome}
}

// FoldClaims gives the claims that come of all that was said: each as it was made first, with the first outcome that it was
// given after that. They are in the order of time, those of one time by their ids.
func FoldClaims(said []Claim) []Claim {
	if len(said) == 0 {
		return nil
	}
	said = slices.SortedStableFunc(slices.Values(said), func(a, b Claim) int { // said twice, the first one read stands
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID), cmp.Compare(truth(a.Outcome != ClaimIsOpen), truth(b.Outcome != ClaimIsOpen)))
	})
	var claims []Claim
	for _, c := range said {
		i := slices.IndexFunc(claims, func(o Claim) bool { return o.ID == c.ID })
		switch {
		case i < 0:
			claims = append(claims, c)
		case claims[i].Outcome == ClaimIsOpen:
			claims[i].Outcome = c.Outcome
		}
	}
	return claims
}

// Refused is why a claim of an order earns nothing: ClaimOpen, ClaimDeclined, also of one that was made too late; empty where it
// was granted.
func (c *Claim) Refused(o *Order) Reason {
	switch {
	case c.Outcome == ClaimIsDeclined || c.At.After(o.heldFrom().Add(ClaimWithin)):
		return ClaimDeclined
	case c.Outcome == ClaimIsGranted:
		return ""
	}
	return ClaimOpen
}
