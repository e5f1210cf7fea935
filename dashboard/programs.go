package dashboard

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// A rateRow is a line of a table of rates.
type rateRow struct {
	category string
	site     string
	member   string
}

// rateRows lays terms out by category.
func rateRows(t *text.Printer, terms *program.Terms) []rateRow {
	sorted := categoriesOf(terms)
	rows := make([]rateRow, len(sorted))
	for i, category := range sorted {
		rows[i] = rateRow{category: category, site: rateText(t, terms, program.Site, category), member: rateText(t, terms, program.Member, category)}
	}
	return rows
}

// categoriesOf are the categories of terms by name, that of all others last.
func categoriesOf(terms *program.Terms) []string {
	categories := map[string]bool{}
	for _, rates := range terms.Rates {
		for category := range rates {
			categories[category] = true
		}
	}
	rest := categories[program.AnyCategory]
	delete(categories, program.AnyCategory)
	sorted := slices.Sorted(maps.Keys(categories))
	if rest {
		sorted = append(sorted, program.AnyCategory)
	}
	return sorted
}

func rateText(t *text.Printer, terms *program.Terms, kind program.Kind, category string) string {
	rate, matched := terms.Rate(kind, category)
	if matched == "" {
		return t.TermsNothing()
	}
	return rate.String()
}

// inForce is the index of a program's terms in force, -1 for none.
func inForce(p *report.Program, now time.Time) int {
	current, ok := p.TermsAt(now)
	if !ok {
		return -1
	}
	return slices.IndexFunc(p.Terms, func(t program.Terms) bool { return t.Version == current.Version })
}

// indented is a document as people read it.
func indented(d *program.Document) string {
	var b bytes.Buffer
	if err := json.Indent(&b, d.JSON(), "", "  "); err != nil {
		return ""
	}
	return b.String()
}
