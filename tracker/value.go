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
	"tributary/internal/text"
)

// null tells whether a value is null, and notes it: where leaving a field out means something, null may not mean the
// same. Programs send it for what they could not work out, such as an amount that is not a number.
func (r *review) null(at place, raw []byte) bool {
	if string(raw) != "null" {
		return false
	}
	r.note(at, text.WrongNull(), text.FixSendValue())
	return true
}

// text reads a JSON string; absent or null it is "".
func (r *review) text(at place, raw []byte) string {
	if raw == nil || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		r.note(at, text.WrongText(shown(raw)), text.FixSendQuotes())
		return ""
	}
	said, ok := unquote(raw)
	if !ok {
		r.note(at, text.WrongEscape(), text.FixEscape())
		return ""
	}
	return said
}

// bounds is which whole numbers a field may hold, and what to do about one that it may not.
type bounds struct {
	low, high      int64
	zero, negative text.Message
	// fraction is for a number of pieces or of a line that is no whole one.
	fraction text.Message
}

func soldPieces() bounds {
	return bounds{1, maxQuantity, text.FixNothingSold(), text.FixPiecesBack(), text.FixWholePieces()}
}

func backPieces() bounds {
	return bounds{1, maxQuantity, text.FixNoItem(), text.FixNoMinus(), text.FixWholePiecesBack()}
}

func lineNumber() bounds {
	return bounds{1, math.MaxInt64, text.FixNumberLines(), text.FixNumberLines(), text.FixNumberPlain()}
}

// integer reads a JSON number without a fraction, within bounds; present tells whether there was one at all.
func (r *review) integer(at place, raw []byte, b bounds) (n int64, present bool) {
	if raw == nil || r.null(at, raw) {
		return 0, raw != nil
	}
	whole, fraction, _ := strings.Cut(string(raw), ".")
	if strings.Trim(fraction, "0") != "" { // 2.0 is 2 to whoever writes all numbers with a point
		whole = string(raw)
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	switch {
	case err == nil && n >= b.low && n <= b.high:
		return n, true
	case err != nil && !errors.Is(err, strconv.ErrRange):
		r.note(at, text.WrongNumber(shown(raw)), b.fraction)
	case n < 0:
		r.note(at, text.WrongBelowZero(shown(raw)), b.negative)
	case n == 0:
		r.note(at, text.WrongZero(), b.zero)
	default:
		r.note(at, text.WrongMoreThan(digits(b.high), shown(raw)), text.FixSendAtMostThat())
	}
	return 0, true
}

func orderAmount() bounds {
	return bounds{high: money.MaxAmount, negative: text.FixMoneyBack()}
}

func lineAmount() bounds {
	return bounds{high: money.MaxAmount, negative: text.FixLineBelowZero()}
}

func backAmount() bounds {
	return bounds{low: 1, high: money.MaxAmount, zero: text.FixNoRefund(), negative: text.FixNoMinus()}
}

func itemAmount() bounds {
	return bounds{low: 1, high: money.MaxAmount, zero: text.FixNoItem(), negative: text.FixNoMinus()}
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
		r.note(at, text.WrongBelowZero(shown(raw)), b.negative)
	case integer && n == 0:
		r.note(at, text.WrongZero(), b.zero)
	case integer:
		r.note(at, text.WrongMoreThan(digits(b.high), shown(raw)), text.FixMinorUnitsOnce())
	default:
		r.note(at, text.WrongMinorUnits(shown(raw)), fixAmount(raw, currency))
	}
	return 0, true
}

// fixAmount says which integers a decimal or a quoted number may mean. One without any but zeros behind its point is
// ambiguous: there are programs that write every number with a point, and people who write whole pounds.
func fixAmount(raw []byte, currency string) text.Message {
	said := strings.Trim(string(raw), `"`)
	if integer, fraction, _ := strings.Cut(said, "."); strings.Trim(fraction, "0") == "" {
		said = integer
	}
	units, err := money.Parse(said, currency)
	switch {
	case (err != nil || units < 0) && money.Known(currency):
		return text.FixMinorUnitsLike(money.Format(1050, currency))
	case err != nil || units < 0:
		return text.FixMinorUnits()
	}
	if integer, err := strconv.ParseInt(said, 10, 64); err == nil && integer != units {
		return text.FixMinorUnitsEither(money.Format(units, currency), digits(units), money.Format(integer, currency), digits(integer))
	}
	return text.FixMinorUnitsMeant(money.Format(units, currency), digits(units))
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }

// outside says that a number is not within bounds.
func outside(n, low, high int64) text.Message {
	return text.WrongRange(digits(high), digits(low), digits(n))
}

// truth reads true or false; absent it is false.
func (r *review) truth(at place, raw []byte) bool {
	if raw != nil && !r.null(at, raw) && string(raw) != "true" && string(raw) != "false" {
		r.note(at, text.WrongTruth(shown(raw)), text.FixTruth())
	}
	return string(raw) == "true"
}

// list reads a JSON array; absent it is nil. What to do about an empty one depends on what absence means.
func (r *review) list(at place, raw []byte, empty text.Message) [][]byte {
	if raw == nil || r.null(at, raw) {
		return nil
	}
	if raw[0] != '[' {
		r.note(at, text.WrongNotList(), text.FixSendBrackets())
		return nil
	}
	values := elements(raw)
	if len(values) == 0 {
		r.note(at, text.WrongEmptyList(), empty)
	}
	return values
}

// instant reads an RFC 3339 time; absent it is the zero time.
func (r *review) instant(at place, raw []byte) time.Time {
	if raw == nil || r.null(at, raw) {
		return time.Time{}
	}
	said := string(raw) // without quotes, seconds since 1970 perhaps: quotes would not fix that
	if raw[0] == '"' {
		said, _ = unquote(raw)
	}
	t, err := parseTime(said)
	if err != nil || t.Year() < 1970 {
		r.note(at, text.WrongRfc3339(shown(raw)), text.FixRfc3339())
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
func (r *review) normalize(at place, said string, limit int) string {
	said = strings.TrimSpace(said)
	if strings.ContainsFunc(said, func(r rune) bool { return r >= utf8.RuneSelf }) {
		said = norm.NFC.String(said)
	}
	switch {
	case len(said) > limit:
		r.note(at, text.WrongBytes(strconv.Itoa(len(said))), text.FixSendAtMost(strconv.Itoa(limit)))
		return ""
	case !utf8.ValidString(said):
		r.note(at, text.WrongUtf8(), text.FixSendUtf8())
		return ""
	}
	if i := strings.IndexFunc(said, unseen); i >= 0 {
		c, _ := utf8.DecodeRuneInString(said[i:])
		r.note(at, text.WrongUnseen(fmt.Sprintf("U+%04X", c)), text.FixRemove())
		return ""
	}
	return said
}

// unseen tells of characters that show nothing or turn the writing round. A blank is seen between others.
func unseen(r rune) bool {
	return r != ' ' && (!unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) || blankLetter(r))
}

// need is normalize for a text that must be there.
func (r *review) need(at place, said string, fix text.Message) string {
	said = r.normalize(at, said, maxID)
	if said == "" {
		r.note(at, text.WrongMissing(), fix)
	}
	return said
}
