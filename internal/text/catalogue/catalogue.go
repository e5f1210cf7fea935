// Package catalogue reads the messages of a language from its file, in the JSON of go-i18n: an id, "area.thing", with a text or
// with an object of plural forms. A text holds placeholders, {name} or the count {n}, and the marks <b>, <code>, <mono> and
// <a>, which may not be nested. An id "area/code" is what is said of a code that a program carries.
package catalogue

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

//go:embed *.json
var files embed.FS

// Count is the placeholder of a whole number, which chooses the plural form.
const Count = "n"

// The plural forms of the languages there are, by their names in CLDR.
const (
	One   = "one"
	Other = "other"
)

// A Kind is what a piece of a text is.
type Kind int

// The kinds of a piece.
const (
	Literal Kind = iota // Text as it is
	Value               // the placeholder named Text
	Open                // the mark named Text begins
	Close               // it ends
)

// A Piece is a part of a text.
type Piece struct {
	Kind Kind
	Text string
}

// A Form is a text in pieces.
type Form []Piece

// A Message is what is said under one id.
type Message struct {
	ID string
	// Forms are by plural form; Other is always there.
	Forms map[string]Form
}

// Read gives the messages of a language, sorted by id.
func Read(language string) ([]Message, error) {
	data, err := files.ReadFile(language + ".json")
	if err != nil {
		return nil, fmt.Errorf("reading a catalogue: %w", err)
	}
	list, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue %s: %w", language, err)
	}
	return list, nil
}

// Parse reads a file of messages.
func Parse(data []byte) ([]Message, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var list []Message
	for d.More() {
		id, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("reading an id: %w", err)
		}
		m := Message{ID: fmt.Sprint(id)}
		var said json.RawMessage
		if err := d.Decode(&said); err != nil {
			return nil, fmt.Errorf("%s: %w", m.ID, err)
		}
		if m.Forms, err = forms(said); err != nil {
			return nil, fmt.Errorf("%s: %w", m.ID, err)
		}
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", m.ID, err)
		}
		list = append(list, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("reading the end: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	slices.SortFunc(list, func(a, b Message) int { return strings.Compare(a.ID, b.ID) })
	for i := 1; i < len(list); i++ {
		if list[i].ID == list[i-1].ID {
			return nil, fmt.Errorf("%s: it is there twice", list[i].ID)
		}
	}
	return list, nil
}

// forms reads a text or an object of forms; a description is for translators.
func forms(said json.RawMessage) (map[string]Form, error) {
	texts := map[string]string{}
	var plain string
	if json.Unmarshal(said, &plain) == nil {
		texts[Other] = plain
	} else if err := json.Unmarshal(said, &texts); err != nil {
		return nil, fmt.Errorf("neither a text nor an object of texts: %w", err)
	}
	delete(texts, "description")
	list := map[string]Form{}
	for name, text := range texts {
		form, err := parseForm(text)
		if err != nil {
			return nil, err
		}
		list[name] = form
	}
	return list, nil
}

// piece finds placeholders and marks.
var piece = regexp.MustCompile(`\{([a-z_]+)\}|<(b|code|mono|a)>|</(b|code|mono|a)>`)

func parseForm(text string) (Form, error) {
	var form Form
	open, end := "", 0
	literal := func(s string) error {
		if strings.ContainsAny(s, "{}<>⟦⟧") {
			return fmt.Errorf("%q holds what is neither a placeholder nor a mark", s)
		}
		if s != "" {
			form = append(form, Piece{Literal, s})
		}
		return nil
	}
	for _, at := range piece.FindAllStringSubmatchIndex(text, -1) {
		if err := literal(text[end:at[0]]); err != nil {
			return nil, err
		}
		end = at[1]
		switch {
		case at[2] >= 0:
			form = append(form, Piece{Value, text[at[2]:at[3]]})
		case at[4] >= 0:
			if open != "" {
				return nil, fmt.Errorf("a mark within <%s>", open)
			}
			open = text[at[4]:at[5]]
			form = append(form, Piece{Open, open})
		default:
			if name := text[at[6]:at[7]]; open != name {
				return nil, fmt.Errorf("</%s> ends what did not begin", name)
			}
			form = append(form, Piece{Close, open})
			open = ""
		}
	}
	if open != "" {
		return nil, fmt.Errorf("<%s> does not end", open)
	}
	return form, literal(text[end:])
}

var ids = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*|/[A-Za-z0-9_.*]+)$`)

// check holds what the generator relies on.
func (m Message) check() error {
	if !ids.MatchString(m.ID) {
		return errors.New("an id is area.thing, or area/code")
	}
	other, ok := m.Forms[Other]
	if !ok || len(other) == 0 {
		return errors.New("the form other is missing")
	}
	want := m.Values()
	for name, form := range m.Forms {
		if name != One && name != Other {
			return fmt.Errorf("no language here has a form %q", name)
		}
		if name != Other && !slices.Contains(want, Count) {
			return errors.New("plural forms need the count {n}")
		}
		// "1 row" may do without the count.
		got := Message{Forms: map[string]Form{Other: form}}.Values()
		if without := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == Count && name != Other }); !slices.Equal(got, want) && !slices.Equal(got, without) {
			return fmt.Errorf("the form %s has placeholders %v, other has %v", name, got, want)
		}
		if form.Links() > 1 || form.Links() != other.Links() {
			return errors.New("a message has one link at most, and in each form")
		}
	}
	return nil
}

// Values names the placeholders once each: the count first, then by name, whatever their order in the text is.
func (m Message) Values() []string {
	var names []string
	for _, p := range m.Forms[Other] {
		if p.Kind == Value && !slices.Contains(names, p.Text) {
			names = append(names, p.Text)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == Count) != (b == Count) {
			return map[bool]int{true: -1, false: 1}[a == Count]
		}
		return strings.Compare(a, b)
	})
	return names
}

// Marked tells whether the message has marks, so that it is more than a string.
func (m Message) Marked() bool {
	return slices.ContainsFunc(m.Forms[Other], func(p Piece) bool { return p.Kind == Open })
}

// Links counts the links of a text.
func (f Form) Links() int {
	n := 0
	for _, p := range f {
		if p.Kind == Open && p.Text == "a" {
			n++
		}
	}
	return n
}
