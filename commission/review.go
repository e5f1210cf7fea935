package commission

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
)

// Review is what a person decided about an order: the content of a row of the inbox, but for its id, time and side.
type Review struct {
	// ID is unique within the order.
	ID string `json:"id"`
	// At is when it was made, by the database's clock.
	At   time.Time `json:"at"`
	Verb Verb      `json:"verb"`
	// Code says why: of a decline one of DeclineCodes.
	Code string `json:"code,omitempty"`
	// Partner is whose share of the order it is about, in all roles; 0 for the order.
	Partner program.PartnerID `json:"partner,omitempty"`
	// Until is the new end of the hold that an extension asks for; zero for all that the terms allow.
	Until time.Time `json:"until,omitzero"`
	// Report is the content hash, in hexadecimal digits, of the report that is to stand.
	Report string `json:"report,omitempty"`
	// By is whose people made it; empty for the operator's of before that was noted.
	By Side `json:"by,omitempty"`
	// NoEffect is why it does nothing, as a decision finds; empty where it does what it says.
	NoEffect NoEffect `json:"no_effect,omitempty"`

	// Reported is the report that Report names, for Fold, where it is none of the order's events.
	Reported *event.Event `json:"-"`
}

// Side is whose people somebody is of.
type Side string

// The sides.
const (
	ByMerchant Side = "merchant"
	ByOperator Side = "operator"
	// ByTerms is nobody's: the terms hold an order for its signs.
	ByTerms Side = "terms"
)

// Verb is what a review does.
type Verb string

// The verbs.
const (
	// Void says that the order never was: nobody earns, nothing is counted, and what was posted is taken back at its own times.
	Void Verb = "void"
	// Hold keeps back what is pending or payable until Unhold.
	Hold   Verb = "hold"
	Unhold Verb = "unhold"
	// Decline takes back what is earned, for good.
	Decline Verb = "decline"
	// Extend moves the end of the hold, once, and Approve ends it at once.
	Extend  Verb = "extend"
	Approve Verb = "approve"
	// Replace has another report of the order stand in place of the first, once merchant and operator have asked for the same.
	Replace Verb = "replace"
)

// Verbs lists every verb.
func Verbs() []Verb { return []Verb{Void, Hold, Unhold, Decline, Extend, Approve, Replace} }

// Reviewed is the content of a row of the inbox: a review, and the order that it is of.
type Reviewed struct {
	Merchant int64         `json:"merchant"`
	Keys     event.KeyKind `json:"keys,omitempty"`
	Order    string        `json:"order"`
	Verb     Verb          `json:"verb"`
	Code     string        `json:"code,omitempty"`
	Partner  int64         `json:"partner,omitempty"`
	Until    time.Time     `json:"until,omitzero"`
	Report   string        `json:"report,omitempty"`
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
	case !slices.Contains(Verbs(), r.Verb):
		return r, &NewerError{What: fmt.Sprintf("verb %q of a review", r.Verb)}
	case string(r.Key()) != string(key):
		return r, fmt.Errorf("reading a review: it is of order %q of merchant %d, its row of %q", r.Order, r.Merchant, key)
	}
	return r, nil
}

// Of is the review, as of its row.
func (r *Reviewed) Of(id string, at time.Time, by Side) Review {
	of := Review{ID: id, At: at.UTC(), Verb: r.Verb, Code: r.Code, Partner: program.PartnerID(r.Partner), Report: r.Report, By: by}
	if !r.Until.IsZero() {
		of.Until = r.Until.UTC()
	}
	return of
}

// inOrder gives reviews in the order of their times, those of one time by their ids.
func inOrder(reviews []Review) []Review {
	return slices.SortedFunc(slices.Values(reviews), func(a, b Review) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
}

// IsVoid reports whether somebody has said that the order never was.
func (o *Order) IsVoid() bool { return void(o.Reviews) }

func void(reviews []Review) bool {
	return slices.ContainsFunc(reviews, func(r Review) bool { return r.Verb == Void })
}

// DeclineCodes are the reasons for a decline; internal/text explains each.
func DeclineCodes() []string {
	return []string{
		"fraud", "self_referral", "terms_broken", "coupon_misused", "duplicate_order", "invalid_lead", "order_cancelled", "not_paid", "returned", "other",
	}
}

// HeldForRemoval is the code of the reviews that hold what a partner has open who was removed from the program for fraud.
const HeldForRemoval = "partner_removed"

// Check says what is wrong with what somebody is about to say about an order.
func (r *Reviewed) Check() (wrong []fault.Field) {
	add := func(name string, problem, fix text.Message) { wrong = append(wrong, fault.Wrong(name, problem, fix)) }
	unasked := func(name string, is bool) {
		if is {
			add(name, text.WrongNotOfVerb(string(r.Verb)), text.FixLeaveOut())
		}
	}
	if verbs := Verbs(); !slices.Contains(verbs, r.Verb) {
		add("verb", text.WrongChoice(strconv.Quote(string(r.Verb))), text.FixChoice(joined(verbs)))
	}
	switch {
	case r.Verb == Decline && !slices.Contains(DeclineCodes(), r.Code):
		add("code", text.WrongChoice(strconv.Quote(r.Code)), text.FixChoice(joined(DeclineCodes())))
	case len(r.Code) > maxCode:
		add("code", text.WrongBytes(strconv.Itoa(len(r.Code))), text.FixGiveAtMost(strconv.Itoa(maxCode)))
	}
	unasked("partner", r.Partner != 0 && slices.Contains([]Verb{Void, Extend, Replace}, r.Verb))
	unasked("until", !r.Until.IsZero() && r.Verb != Extend)
	unasked("report", r.Report != "" && r.Verb != Replace)
	if hash, err := hex.DecodeString(r.Report); r.Verb == Replace && (err != nil || len(hash) != contentHash) {
		add("report", text.WrongNotReport(r.Report), text.FixReport())
	}
	return wrong
}

const (
	// maxCode bounds the code of a review, in bytes.
	maxCode = 64
	// contentHash is how long the hash of a report's content is, in bytes.
	contentHash = 16
)

func joined[T ~string](list []T) string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = string(list[i])
	}
	return strings.Join(names, ", ")
}
