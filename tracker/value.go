package tracker

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tributary/internal/money"
)

// null tells whether a value is null, and notes it: where leaving a field out means something, null may not mean the
// same. Programs send it for what they could not work out, such as an amount that is not a number.
func (r *review) null(at place, raw []byte) bool {
	if string(raw) != "null" {
		return false
	}
	r.note(at, "it is null", "send a value, or leave the field out if that is what you mean")
	return true
}

// text reads a JSON string; absent or null it is "".
func (r *review) text(at place, raw []byte) string {
	if raw == nil || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		r.note(at, fmt.Sprintf("%s is not a text", shown(raw)), "send it in quotes")
		return ""
	}
	text, ok := unquote(raw)
	if !ok {
		r.note(at, "it holds an escape that stands for no character", `write each character above U+FFFF as a pair of \u escapes, or plainly`)
		return ""
	}
	return text
}

// bounds is which whole numbers a field may hold, and what to do about one that it may not.
type bounds struct {
	low, high      int64
	zero, negative string
	// fraction is for a number of pieces or of a line that is no whole one.
	fraction string
}

const withoutMinus = "send it without the minus: it says how much comes back"

func soldPieces() bounds {
	return bounds{
		1, maxQuantity, "leave the line out: nothing of it was sold", "send the pieces that were sold, and report those that came back as a refund",
		"send a whole number of pieces, 1 if need be: the amount is for all of it",
	}
}

func backPieces() bounds {
	return bounds{1, maxQuantity, "leave the item out: " + nothingBack, withoutMinus, "send whole pieces, or the amount that goes back in their place"}
}

func lineNumber() bounds {
	const fix = "number the lines from 1, or leave the numbers out"
	return bounds{1, math.MaxInt64, fix, fix, "send a whole number, without quotes"}
}

// integer reads a JSON number without a fraction, within bounds; present tells whether there was one at all.
func (r *review) integer(at place, raw []byte, b bounds) (n int64, present bool) {
	if raw == nil || r.null(at, raw) {
		return 0, raw != nil
	}
	text, fraction, _ := strings.Cut(string(raw), ".")
	if strings.Trim(fraction, "0") != "" { // 2.0 is 2 to whoever writes all numbers with a point
		text = string(raw)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && n >= b.low && n <= b.high:
		return n, true
	case err != nil && !errors.Is(err, strconv.ErrRange):
		r.note(at, shown(raw)+" is not a whole number", b.fraction)
	case n < 0:
		r.note(at, shown(raw)+" is below zero", b.negative)
	case n == 0:
		r.note(at, "it is 0", b.zero)
	default:
		r.note(at, fmt.Sprintf("%s is more than %d", shown(raw), b.high), "send at most that")
	}
	return 0, true
}

const nothingBack = "a refund of nothing needs no report"

func orderAmount() bounds {
	return bounds{high: money.MaxAmount, negative: "report money that goes back to the customer as a refund of its order"}
}

func lineAmount() bounds {
	return bounds{high: money.MaxAmount, negative: "leave this line out, and take a discount off the lines it is for"}
}

func backAmount() bounds {
	return bounds{low: 1, high: money.MaxAmount, zero: nothingBack, negative: withoutMinus}
}

func itemAmount() bounds {
	return bounds{low: 1, high: money.MaxAmount, zero: "leave the item out: " + nothingBack, negative: withoutMinus}
}

// amount reads money: a JSON integer of minor units. Whoever sends a decimal or a text is told the integer that it
// probably means.
func (r *review) amount(at place, raw []byte, currency string, b bounds) (n int64, present bool) {
	if raw == nil || r.null(at, raw) {
		return 0, raw != nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	integer := err == nil || errors.Is(err, strconv.ErrRange)
	switch {
	case err == nil && n >= b.low && n <= b.high:
		return n, true
	case integer && n < 0, !integer && raw[0] == '-':
		r.note(at, shown(raw)+" is below zero", b.negative)
	case integer && n == 0:
		r.note(at, "it is 0", b.zero)
	case integer:
		r.note(at, fmt.Sprintf("%s is more than %d", shown(raw), b.high), "send minor units, such as cents, once")
	default:
		r.note(at, shown(raw)+" is not an integer of minor units", fixAmount(raw, currency))
	}
	return 0, true
}

// fixAmount says which integers a decimal or a quoted number may mean. One without any but zeros behind its point is
// ambiguous: there are programs that write every number with a point, and people who write whole pounds.
func fixAmount(raw []byte, currency string) string {
	text := strings.Trim(string(raw), `"`)
	if integer, fraction, _ := strings.Cut(text, "."); strings.Trim(fraction, "0") == "" {
		text = integer
	}
	units, err := money.Parse(text, currency)
	if err != nil || units < 0 {
		return "send an integer of minor units" + example(currency)
	}
	asMoney := fmt.Sprintf("send %d, which is %s in minor units", units, money.Format(units, currency))
	if integer, err := strconv.ParseInt(text, 10, 64); err == nil && integer != units {
		return fmt.Sprintf("%s; or %d without quotes and without a point if that is %s", asMoney, integer, money.Format(integer, currency))
	}
	return asMoney
}

// example shows minor units in a currency; one that is not known is taken to be like most.
func example(currency string) string {
	if !money.Known(currency) {
		return ", such as 1050 for 10.50 in a currency with two decimals"
	}
	return ", such as 1050 for " + money.Format(1050, currency)
}

// truth reads true or false; absent it is false.
func (r *review) truth(at place, raw []byte) bool {
	if raw != nil && !r.null(at, raw) && string(raw) != "true" && string(raw) != "false" {
		r.note(at, shown(raw)+" is neither true nor false", "send true or false, without quotes")
	}
	return string(raw) == "true"
}

// list reads a JSON array; absent it is nil. What to do about an empty one depends on what absence means.
func (r *review) list(at place, raw []byte, empty string) [][]byte {
	if raw == nil || r.null(at, raw) {
		return nil
	}
	if raw[0] != '[' {
		r.note(at, "it is not a list", "send it in square brackets")
		return nil
	}
	values := elements(raw)
	if len(values) == 0 {
		r.note(at, "the list is empty", empty)
	}
	return values
}

// instant reads an RFC 3339 time; absent it is the zero time.
func (r *review) instant(at place, raw []byte) time.Time {
	if raw == nil || r.null(at, raw) {
		return time.Time{}
	}
	text := string(raw) // without quotes, seconds since 1970 perhaps: quotes would not fix that
	if raw[0] == '"' {
		text, _ = unquote(raw)
	}
	t, err := parseTime(text)
	if err != nil || t.Year() < 1970 {
		r.note(at, fmt.Sprintf("%s is not a time in RFC 3339", shown(raw)), "send it with its zone, such as 2026-11-22T10:00:00Z or 2026-11-22T11:00:00+01:00")
		return time.Time{}
	}
	return t.UTC()
}

// parseTime reads a time in RFC 3339, also with small letters (its section 5.6), a blank for the T, and a zone without its
// colon, as many languages write it: none of that can be mistaken. The answer repeats what was understood.
func parseTime(text string) (time.Time, error) {
	text = strings.ToUpper(text)
	if len(text) > len(time.DateOnly) && text[len(time.DateOnly)] == ' ' {
		text = text[:len(time.DateOnly)] + "T" + text[len(time.DateOnly)+1:]
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05Z0700", text)
	}
	return t, err //nolint:wrapcheck // the caller says what it was
}

// Bounds of the texts of a report, in bytes.
const (
	maxID     = 128
	maxReason = 500
)

// normalize gives a text in the form in which it is compared and kept: NFC, without blanks around it. A character that shows
// nothing or turns the writing round, or more than limit bytes, is a problem: nobody would find such an id again.
func (r *review) normalize(at place, text string, limit int) string {
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		text = norm.NFC.String(text)
	}
	switch {
	case len(text) > limit:
		r.note(at, fmt.Sprintf("it has %d bytes", len(text)), fmt.Sprintf("send at most %d", limit))
		return ""
	case !utf8.ValidString(text):
		r.note(at, "it is not valid UTF-8", "send it in UTF-8")
		return ""
	}
	if i := strings.IndexFunc(text, unseen); i >= 0 {
		c, _ := utf8.DecodeRuneInString(text[i:])
		r.note(at, fmt.Sprintf("it holds the character U+%04X, which cannot be seen", c), "remove it")
		return ""
	}
	return text
}

// unseen tells of characters that show nothing or turn the writing round. A blank is seen between others.
func unseen(r rune) bool {
	return r != ' ' && (!unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) || blankLetter(r))
}

// need is normalize for a text that must be there.
func (r *review) need(at place, text, fix string) string {
	text = r.normalize(at, text, maxID)
	if text == "" {
		r.note(at, "it is missing", fix)
	}
	return text
}
