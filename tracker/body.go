package tracker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"tributary/internal/fault"
	"tributary/internal/text"
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
func (r *review) note(at place, problem, fix text.Message) {
	if len(r.problems) < maxProblems && !r.flagged(at) {
		r.problems = append(r.problems, fault.Wrong(at.String(), problem, fix))
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

// checkJSON tells whether a body is one JSON object at all, and gives it without the byte order mark that some programs
// put in front (RFC 8259 section 8.1 allows to ignore it). What follows may then read it without further care.
func checkJSON(body []byte) ([]byte, error) {
	malformed := func(detail text.Message) ([]byte, error) {
		return body, fault.Detailed(fault.Malformed, "malformed_json", detail, nil)
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if !utf8.Valid(body) {
		return malformed(text.DetailJSONUtf8())
	}
	if !json.Valid(body) {
		problem, fix := fault.JSON(body)
		f := fault.Detailed(fault.Malformed, "malformed_json", text.DetailJSON(), nil)
		f.Fields = append(f.Fields, fault.Wrong("body", problem, fix))
		return body, f
	}
	if trimmed := trimSpace(body); trimmed[0] != '{' {
		return malformed(text.DetailJSONObject())
	}
	return body, nil
}

// maxMembers is the largest number of fields that an object of ours has.
const maxMembers = 20

// object splits valid JSON into the values of its named members, nil for one that is absent. A member with another name, or one that comes twice, is a problem. The object stands at the place; its members' names come in there.
func (r *review) object(at place, raw []byte, names []string) (values [maxMembers][]byte) {
	var seen [maxMembers]bool
	for key, value := range members(raw) {
		if len(r.problems) >= maxProblems {
			return values
		}
		switch i := slices.IndexFunc(names, func(name string) bool { return string(key) == name }); {
		case i < 0:
			at.name = string(key)
			r.note(at, text.WrongNoField(), suggest(at.name, names))
		case seen[i]:
			at.name = names[i]
			r.note(at, text.WrongGivenTwice(), text.FixGiveOnce())
		default:
			seen[i], values[i] = true, value
		}
	}
	return values
}

// members gives the names and the values of a valid JSON object.
func members(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for rest := raw[1:]; ; {
			rest = trimSpace(rest)
			if rest[0] == '}' {
				return
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
			if !yield(key, rest[:end]) {
				return
			}
			rest = rest[end:]
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

// shown is a JSON value as it may be repeated in an answer.
func shown(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return cut(string(raw), most) + "..."
	}
	return string(raw)
}

// synonyms are what other programs call a field of ours, squashed.
func synonyms() map[string]string {
	return map[string]string{
		"createdat": "occurred_at", "orderedat": "occurred_at", "date": "occurred_at", "timestamp": "occurred_at", "total": "amount", "price": "amount", "value": "amount",
		"isnew": "customer_status", "newcustomer": "customer_status", "customertype": "customer_status", "couponcode": "coupon", "tclid": "click_id",
		"part": "", // of a line: it is like path, and no path
	}
}

// suggest names the known field that an unknown one probably means: a synonym of it, or else one from which no more than a third
// of the name differs.
func suggest(name string, known []string) text.Message {
	best, synonym := synonyms()[squash(name)]
	if !slices.Contains(known, best) {
		best = ""
	}
	distance := len(squash(name))/3 + 1
	for _, candidate := range known {
		if d := editDistance(squash(name), squash(candidate)); d < distance && !synonym {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return text.FixNoSuchField(strings.Join(known, ", "))
	}
	return text.FixFieldMeant(best)
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
