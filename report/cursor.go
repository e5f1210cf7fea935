package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"time"

	"tributary/internal/fault"
	"tributary/internal/text"
)

// PageSize is how many rows a page of a list has, where nothing else is said.
const PageSize = 50

// A Page is a part of a list. Next is the cursor of the page after it, empty on the last.
type Page[T any] struct {
	Rows []T
	Next string
}

// A key is where a page ends: the last row's place in the order of its list. Lists use the fields that they are sorted by.
type key struct {
	At   time.Time `json:"t,omitzero"`
	Text string    `json:"s,omitempty"`
	A    int64     `json:"a,omitempty"`
	B    int64     `json:"b,omitempty"`
	ID   int64     `json:"i,omitempty"`
	Tie  string    `json:"k,omitempty"`
}

// A list is what a cursor belongs to: the name of the list and its filter.
type list struct {
	name   string
	filter url.Values // as the filter's Query gives it; its "after" is left out of account
}

// seal is the check of a cursor: another list or another filter gives another.
func (l list) seal(data []byte) []byte {
	filter := url.Values{}
	for name, values := range l.filter {
		if name != "after" {
			filter[name] = values
		}
	}
	sum := sha256.Sum256([]byte(l.name + "?" + filter.Encode() + "\x00" + string(data)))
	return sum[:sealSize]
}

const sealSize = 8

// cursor writes a key as text that only this list takes.
func (l list) cursor(k key) (string, error) {
	k.At = k.At.UTC()
	data, err := json.Marshal(k)
	if err != nil {
		return "", fault.Coded(fault.Internal, "cursor", nil)
	}
	return base64.RawURLEncoding.EncodeToString(append(l.seal(data), data...)), nil
}

// after reads a cursor. begun is false for an empty one, which stands before the first row. One that was altered, or that
// belongs to another list or to another filter of this one, is refused.
func (l list) after(cursor string) (k key, begun bool, err error) {
	if cursor == "" {
		return key{}, false, nil
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(data) < sealSize || !bytes.Equal(data[:sealSize], l.seal(data[sealSize:])) ||
		json.Unmarshal(data[sealSize:], &k) != nil {
		return key{}, false, refuse(fault.Wrong("after", text.WrongNoPage(), text.FixFirstPage()))
	}
	return k, true, nil
}

// cut makes a page of at most limit of rows, of which one more than that was asked for.
func cut[T any](l list, rows []T, limit int, last func(T) key) (Page[T], error) {
	if len(rows) <= limit {
		return Page[T]{Rows: rows}, nil
	}
	next, err := l.cursor(last(rows[limit-1]))
	return Page[T]{Rows: rows[:limit], Next: next}, err
}
