package tracker

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tributary/internal/fault"
	"tributary/internal/money"
)

// maxProblems bounds how many problems of one request are listed.
const maxProblems = 50

// place says where in a request something stands; it becomes a path such as "lines[2].amount" only when it is needed.
type place struct {
	list  string
	index int
	name  string
}

func (p place) String() string {
	switch {
	case p.list == "":
		return p.name
	case p.name == "":
		return fmt.Sprintf("%s[%d]", p.list, p.index)
	}
	return fmt.Sprintf("%s[%d].%s", p.list, p.index, p.name)
}

// review collects everything that is wrong with a report, so that one answer names all of it.
type review struct {
	problems []fault.Field
}

// note keeps the first problem of each field: what is said of it later follows from that.
func (r *review) note(at place, problem, mend string) {
	if len(r.problems) < maxProblems && !r.flagged(at) {
		r.problems = append(r.problems, fault.Field{Name: at.String(), Problem: problem, Mend: mend})
	}
}

// flagged tells whether a field is known to be wrong.
func (r *review) flagged(at place) bool {
	if len(r.problems) == 0 {
		return false
	}
	name := at.String()
	return slices.ContainsFunc(r.problems, func(f fault.Field) bool { return f.Name == name })
}

// sound tells whether nothing is wrong with a field and all that stands in it.
func (r *review) sound(name string) bool {
	return !slices.ContainsFunc(r.problems, func(f fault.Field) bool {
		rest, ok := strings.CutPrefix(f.Name, name)
		return ok && (rest == "" || rest[0] == '[')
	})
}

// checkJSON tells whether a body is one JSON object at all. What follows may then read it without further care.
func checkJSON(body []byte) error {
	malformed := func(detail string) error { return fault.New(fault.Malformed, "malformed_json", detail) }
	if !utf8.Valid(body) {
		return malformed("The body is not valid UTF-8.")
	}
	if !json.Valid(body) {
		var value any
		err := json.Unmarshal(body, &value)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return malformed(fmt.Sprintf("The body is not JSON: at byte %d, %s.", syntax.Offset, syntax.Error()))
		}
		return malformed("The body is not JSON.")
	}
	if trimmed := trimSpace(body); trimmed[0] != '{' {
		return malformed("The body must be one JSON object.")
	}
	return nil
}

// maxMembers is the largest number of fields that an object of ours has.
const maxMembers = 12

// object splits valid JSON into the values of its named members, nil for one that is absent or null. A member with
// another name, or one that comes twice, is a problem. The object stands at the place; its members' names come in there.
func (r *review) object(at place, raw []byte, names []string) (values [maxMembers][]byte) {
	var seen [maxMembers]bool
	for rest := raw[1:]; ; {
		rest = trimSpace(rest)
		if rest[0] == '}' || len(r.problems) >= maxProblems {
			return values
		}
		if rest[0] == ',' {
			rest = trimSpace(rest[1:])
		}
		end := valueEnd(rest)
		key := rest[1 : end-1]
		if slices.Contains(key, '\\') {
			text, _ := unquote(rest[:end])
			key = []byte(text)
		}
		rest = trimSpace(rest[end:])
		rest = trimSpace(rest[1:]) // the colon
		end = valueEnd(rest)
		value := rest[:end]
		rest = rest[end:]
		switch i := slices.IndexFunc(names, func(name string) bool { return string(key) == name }); {
		case i < 0:
			at.name = string(key)
			r.note(at, "there is no such field", suggest(at.name, names))
		case seen[i]:
			at.name = names[i]
			r.note(at, "it is given twice", "give it once")
		default:
			seen[i] = true
			if string(value) != "null" {
				values[i] = value
			}
		}
	}
}

// elements splits a valid JSON array.
func elements(raw []byte) (values [][]byte) {
	for rest := raw[1:]; ; {
		rest = trimSpace(rest)
		if rest[0] == ']' {
			return values
		}
		if rest[0] == ',' {
			rest = trimSpace(rest[1:])
		}
		end := valueEnd(rest)
		values = append(values, rest[:end])
		rest = rest[end:]
	}
}

// valueEnd is where the valid JSON value at the beginning of raw ends.
func valueEnd(raw []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		default:
			if depth == 0 && (i+1 == len(raw) || strings.IndexByte(" \t\r\n,]}:", raw[i+1]) >= 0) {
				return i + 1
			}
		}
	}
}

func trimSpace(raw []byte) []byte {
	for len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\n' || raw[0] == '\t' || raw[0] == '\r') {
		raw = raw[1:]
	}
	return raw
}

// unquote reads a valid JSON string; it is not ok when escapes in it stand for no character.
func unquote(raw []byte) (text string, ok bool) {
	inner := raw[1 : len(raw)-1]
	if !slices.Contains(inner, '\\') {
		return string(inner), true
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", false
	}
	return text, !strings.ContainsRune(text, utf8.RuneError)
}

// text reads a JSON string; absent it is "".
func (r *review) text(at place, raw []byte) string {
	if raw == nil {
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

// integer reads a JSON number without a fraction, within bounds; present tells whether there was one at all.
func (r *review) integer(at place, raw []byte, low, high int64) (n int64, present bool) {
	if raw == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < low || n > high {
		r.note(at, fmt.Sprintf("%s is not a whole number from %d to %d", shown(raw), low, high), "send such a number, without quotes")
		return 0, true
	}
	return n, true
}

// amount reads money: a JSON integer of minor units. Whoever sends a decimal or a text is told the integer that it
// probably means.
func (r *review) amount(at place, raw []byte, low int64, currency string) (n int64, present bool) {
	if raw == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err == nil && n >= low && n <= money.MaxAmount:
		return n, true
	case err == nil && n < 0:
		r.note(at, fmt.Sprintf("%d is below zero", n), "report money that goes back to the customer as a refund")
	case err == nil && n < low:
		r.note(at, "it is 0", "leave it out, or send an amount above 0")
	case err == nil:
		r.note(at, fmt.Sprintf("%d is more than %d", n, int64(money.MaxAmount)), "send minor units, such as cents, once")
	default:
		r.note(at, fmt.Sprintf("%s is not an integer of minor units", shown(raw)), mendAmount(raw, currency))
	}
	return 0, true
}

// mendAmount says which integer a decimal or a quoted number probably means.
func mendAmount(raw []byte, currency string) string {
	text := strings.Trim(string(raw), `"`)
	units, err := money.Parse(text, currency)
	if err != nil || units < 0 {
		return "send an integer of minor units, such as 1050 for 10.50 in a currency with two decimals"
	}
	asMoney := fmt.Sprintf("send %d, which is %s in minor units", units, money.Format(units, currency))
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil && whole != units {
		return fmt.Sprintf("%s; or %d without quotes if that is %s", asMoney, whole, money.Format(whole, currency))
	}
	return asMoney
}

// list reads a JSON array; absent it is nil.
func (r *review) list(at place, raw []byte) [][]byte {
	if raw == nil {
		return nil
	}
	if raw[0] != '[' {
		r.note(at, "it is not a list", "send it in square brackets")
		return nil
	}
	values := elements(raw)
	if len(values) == 0 {
		r.note(at, "the list is empty", "leave it out, or fill it")
	}
	return values
}

// instant reads an RFC 3339 time; absent it is the zero time.
func (r *review) instant(at place, raw []byte) time.Time {
	text := string(raw) // without quotes, seconds since 1970 perhaps: quotes would not mend that
	if raw == nil || raw[0] == '"' {
		if text = r.text(at, raw); text == "" {
			return time.Time{}
		}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 {
		r.note(at, fmt.Sprintf("%s is not a time in RFC 3339", shown(raw)), "send it with its zone, such as 2026-11-22T10:00:00Z")
		return time.Time{}
	}
	return t.UTC()
}

// Bounds of the texts of a report, in bytes.
const (
	maxID     = 128
	maxReason = 500
)

// settle gives a text in the form in which it is compared and kept: NFC, without blanks around it. A control character,
// or more than limit bytes, is a problem.
func (r *review) settle(at place, text string, limit int) string {
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
	case strings.ContainsFunc(text, unicode.IsControl):
		r.note(at, "it holds a control character", "remove it")
		return ""
	}
	return text
}

// need is settle for a text that must be there.
func (r *review) need(at place, text, mend string) string {
	text = r.settle(at, text, maxID)
	if text == "" {
		r.note(at, "it is missing", mend)
	}
	return text
}

// shown is a JSON value as it may be repeated in an answer.
func shown(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return cut(string(raw), most) + "..."
	}
	return string(raw)
}

// suggest names the known field that an unknown one probably means.
func suggest(name string, known []string) string {
	best, distance := "", len(name)/3+2
	for _, candidate := range known {
		if d := editDistance(squash(name), squash(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return "remove it; the fields are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("did you mean %q? If not, remove it", best)
}

// squash drops what differs between orderId, order-id and order_id.
func squash(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(cut(name, 64)))
}

// editDistance is the number of bytes to insert, delete or replace to get from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
