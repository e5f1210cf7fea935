package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// S21: texts that people type are values, not parts of a query, whatever they hold: a filter that cannot be is refused with
// a sentence, and the others find nothing.
func TestNoTextBecomesPartOfAQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "A-1", link: w.link})
	c := w.as("site@example.net")
	for _, text := range []string{
		"'", "' OR '1'='1", "1; DROP TABLE touch", "{tenant:Int64}", "GBP' UNION ALL SELECT name, 1 FROM system.tables --", `\`, `\'`, "\x00", "🦊", "%27", "/*", "sub1) FROM system.users --",
	} {
		typed := url.QueryEscape(text)
		for _, path := range []string{
			"/partner?currency=" + typed, "/partner?days=" + typed, "/partner?from=" + typed + "&to=" + typed,
			"/partner/links/" + number10(int64(w.link.ID)) + "?by=" + typed, "/partner/commissions?after=" + typed, "/partner/commissions?state=" + typed,
			"/partner/days.csv?currency=" + typed, "/partner/commissions.csv?program=" + typed, "/partner/links?" + typed + "=1",
		} {
			if got := c.get(path); got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: status %d: %.200s", path, got.status, got.text())
			}
		}
		got := c.get("/partner/commissions?q=" + typed)
		if text == "\x00" {
			continue // no text: TestFiltersRefuseWhatCannotBe
		}
		if got.status != http.StatusOK || len(got.rows()) != 0 {
			t.Errorf("searching for %q: status %d, %q", text, got.status, got.rows())
		}
	}
	for _, path := range []string{"/partner/links/" + url.PathEscape("1 OR 1=1"), "/partner/commissions/" + url.PathEscape("1'")} {
		if got := c.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got.status)
		}
	}
}

// Whoever asks for what cannot be is told what, and led to the list without it; the place of the list says so, too, where
// a form changes that alone.
func TestAFilterThatCannotBeIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "A-1", link: w.link})
	got := w.as("site@example.net").get("/partner/commissions?state=frozen&program=0")
	if got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, "A-1") {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	got.holds(t, "state : “frozen” is not one of the known values", "program : “0” is no number of a row", "Show all")
	if !strings.Contains(got.body, `href="/partner/commissions"`) || !strings.Contains(got.body, `id="results"`) {
		t.Error("nothing leads on")
	}
}
