package text

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"tributary/internal/text/catalogue"
)

// A message is what is said under an id, in its plural forms.
type message []form

type form struct {
	plural string
	pieces []piece
}

// A piece is a part of a form; at is the place of a value among the arguments.
type piece struct {
	kind catalogue.Kind
	text string
	at   int
}

// printer makes a printer of the catalogue. The catalogues are compiled in and read by the tests, so a fault in one is a
// fault of the program.
func printer(of language) *Printer {
	list, err := catalogue.Read("en")
	if err != nil {
		panic(err)
	}
	p := &Printer{language: of, messages: make(map[string]message, len(list))}
	for _, m := range list {
		values := m.Values()
		for plural, said := range m.Forms {
			if of.pseudo {
				said = accented(said)
			}
			pieces := make([]piece, len(said))
			for j, part := range said {
				pieces[j] = piece{kind: part.Kind, text: part.Text, at: slices.Index(values, part.Text)}
			}
			p.messages[m.ID] = append(p.messages[m.ID], form{plural, pieces})
		}
	}
	return p
}

// A Message is something to be said in a language that is known later: see Printer.Say. The functions that make one are
// those of the areas "wrong", "fix" and "detail" of the catalogue.
type Message struct {
	id      string
	counted bool // n is the first value
	n       int64
	values  []string
}

// Say says a message; nothing for the zero Message.
func (p *Printer) Say(m Message) string {
	switch {
	case m.id == "":
		return ""
	case m.counted:
		return p.say(m.id, m.n, append([]string{p.Count(m.n)}, m.values...)...)
	}
	return p.say(m.id, 0, m.values...)
}

// form chooses the pieces of a message for a count.
func (p *Printer) form(id string, n int64) []piece {
	m := p.messages[id]
	plural := catalogue.Other
	if len(m) > 1 {
		plural = p.language.plural(n)
	}
	var other []piece
	for i := range m {
		switch m[i].plural {
		case plural:
			return m[i].pieces
		case catalogue.Other:
			other = m[i].pieces
		}
	}
	return other
}

// say puts a message together; n chooses the form, and arguments stand in the order of catalogue.Message.Values.
func (p *Printer) say(id string, n int64, arguments ...string) string {
	form := p.form(id, n)
	if len(form) == 1 && form[0].kind == catalogue.Literal {
		return form[0].text
	}
	size := 0
	for _, part := range form {
		size += len(part.text)
	}
	for _, a := range arguments {
		size += len(a)
	}
	var b strings.Builder
	b.Grow(size)
	for _, part := range form {
		if part.kind == catalogue.Value {
			b.WriteString(arguments[part.at])
		} else {
			b.WriteString(part.text)
		}
	}
	return b.String()
}

// rich is say for a message with marks; to is where its link leads. All that is not a mark is escaped.
func (p *Printer) rich(id string, n int64, to templ.SafeURL, arguments ...string) templ.Component {
	form := p.form(id, n)
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		for _, part := range form {
			switch part.kind {
			case catalogue.Literal:
				b.WriteString(templ.EscapeString(part.text))
			case catalogue.Value:
				b.WriteString(templ.EscapeString(arguments[part.at]))
			case catalogue.Open:
				b.WriteString(opening(part.text, to))
			case catalogue.Close:
				b.WriteString(closing(part.text))
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	})
}

func opening(mark string, to templ.SafeURL) string {
	switch mark {
	case "a":
		return `<a href="` + templ.EscapeString(string(to)) + `">`
	case "mono":
		return `<span class="mono">`
	case "code":
		return `<code translate="no">`
	}
	return "<" + mark + ">"
}

func closing(mark string) string {
	if mark == "mono" {
		return "</span>"
	}
	return "</" + mark + ">"
}

// accented is a form in the pseudo-locale.
func accented(form catalogue.Form) catalogue.Form {
	marked := catalogue.Form{{Kind: catalogue.Literal, Text: "⟦"}}
	letters := 0
	for _, part := range form {
		if part.Kind == catalogue.Literal {
			letters += len([]rune(part.Text))
			part.Text = strings.Map(accent, part.Text)
		}
		marked = append(marked, part)
	}
	return append(marked, catalogue.Piece{Kind: catalogue.Literal, Text: " " + strings.Repeat("~", (letters*4+9)/10) + "⟧"})
}

func accent(r rune) rune {
	const plain, strange = "aceginoruyACEGINORUY", "áçéĝîñöŕûýÁÇÉĜÎÑÖŔÛÝ"
	if i := strings.IndexRune(plain, r); i >= 0 {
		return []rune(strange)[i]
	}
	return r
}
