// Package text holds every sentence that a person reads on the pages, in mail, in files and in answers of the API, by
// language, and how numbers and times are written there. A message is a method of Printer, generated from catalogue/en.json
// by gen: a message or a placeholder that is not there does not compile. What a program carries as a code (a reason, a state)
// is said by the method of its area.
//
//go:generate go run ./gen
package text

import (
	"context"
	"sync"

	"tributary/internal/text/catalogue"
)

// A Printer says messages in one language. It is safe for concurrent use.
type Printer struct {
	language language
	messages map[string]message // by id
}

// A language is how it counts; its messages are in the catalogue of its tag.
type language struct {
	tag string // BCP 47
	// plural gives the form for a count.
	plural func(n int64) string
	// pseudo marks all that is said, for tests.
	pseudo bool
}

// plurals are the rules of CLDR for whole numbers. A language without an entry has one form.
func plurals() map[string]func(int64) string {
	return map[string]func(int64) string{
		"en": func(n int64) string {
			if n == 1 || n == -1 {
				return catalogue.One
			}
			return catalogue.Other
		},
	}
}

// Tag names the language as in the attribute lang, such as "en".
func (p *Printer) Tag() string { return p.language.tag }

// English is the printer of the catalogue that the others are translated from.
func English() *Printer { return english() }

//nolint:gochecknoglobals // it is made once and never changes
var english = sync.OnceValue(func() *Printer { return printer(language{tag: "en", plural: plurals()["en"]}) })

// Pseudo is English that can be told from what was never given to translators: accented, between ⟦ and ⟧, and 40 % longer. It
// is for tests.
func Pseudo() *Printer { return printer(language{tag: "en-XA", plural: plurals()["en"], pseudo: true}) }

type contextKey struct{}

// With gives a context in which pages are rendered by p.
func With(ctx context.Context, p *Printer) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// Of is the printer of a context: English where none was set.
func Of(ctx context.Context) *Printer {
	if p, ok := ctx.Value(contextKey{}).(*Printer); ok {
		return p
	}
	return English()
}
