package dashboard

import (
	"maps"
	"slices"
	"time"

	"tributary/partners/program"
	"tributary/report"
)

// A rateRow is a line of a table of rates.
type rateRow struct {
	category string
	site     string
	member   string
}

// rateRows lays terms out by category, all others last.
func rateRows(t *program.Terms) []rateRow {
	categories := map[string]bool{}
	for _, rates := range t.Rates {
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
	rows := make([]rateRow, len(sorted))
	for i, category := range sorted {
		rows[i] = rateRow{category: categoryName(category), site: rateText(t, program.Site, category), member: rateText(t, program.Member, category)}
	}
	return rows
}

func rateText(t *program.Terms, kind program.Kind, category string) string {
	rate, matched := t.Rate(kind, category)
	if matched == "" {
		return "nothing"
	}
	return rate.String()
}

func categoryName(category string) string {
	if category == program.AnyCategory {
		return "all others"
	}
	return category
}

// inForce is the index of a program's terms in force, -1 for none.
func inForce(p *report.Program, now time.Time) int {
	current, ok := p.TermsAt(now)
	if !ok {
		return -1
	}
	return slices.IndexFunc(p.Terms, func(t program.Terms) bool { return t.Version == current.Version })
}
