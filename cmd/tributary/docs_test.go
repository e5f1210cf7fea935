package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/engine"
	"tributary/dashboard"
	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/internal/postgres"
	"tributary/internal/text"
	"tributary/partners/catalogue"
	"tributary/tracker"
	"tributary/tracker/loader"
	"tributary/tracker/registry"
)

var update = flag.Bool("update", false, "write the tables that follow from the code into docs")

// Pages of which some tables follow from the code.
const (
	reference   = "operate/reference.md"
	attribution = "reference/attribution.md"
)

// inReference compares a table with the one between two marks of a page of docs, or writes it there.
func inReference(t *testing.T, page, mark, want string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", filepath.FromSlash(page))
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opening, closing := "<!-- "+mark+": written by go test ./cmd/tributary -run Reference -update -->\n", "<!-- end of "+mark+" -->\n"
	before, rest, found := strings.Cut(string(content), opening)
	have, after, ended := strings.Cut(rest, closing)
	if !found || !ended {
		t.Fatalf("docs/%s lacks the marks of %s", page, mark)
	}
	switch {
	case have == want:
	case *update:
		if err := os.WriteFile(path, []byte(before+opening+want+closing+after), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s in docs/%s is not what the code says: run go test ./cmd/tributary -run Reference -update", mark, page)
	}
}

func TestReferenceListsEverySetting(t *testing.T) { //nolint:paralleltest // both write one file
	var table strings.Builder
	table.WriteString("| setting | default | |\n|---|---|---|\n")
	newRoot(nil).PersistentFlags().VisitAll(func(f *pflag.Flag) {
		fallback := "`" + f.DefValue + "`"
		switch {
		case f.Name == "data":
			fallback = "`~/.local/share/tributary`"
		case f.DefValue == "" || f.DefValue == "[]":
			fallback = ""
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", envName(f.Name), fallback, f.Usage)
	})
	inReference(t, reference, "settings", table.String())
}

func TestReferenceListsEveryMetric(t *testing.T) { //nolint:paralleltest // both write one file
	var table strings.Builder
	table.WriteString("| metric | labels | |\n|---|---|---|\n")
	for _, f := range figures(t) {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", f.name, strings.Join(f.labels, ", "), f.help)
	}
	inReference(t, reference, "metrics", table.String())
}

func TestReferenceListsEveryRank(t *testing.T) { //nolint:paralleltest // they write one file
	var table strings.Builder
	table.WriteString("| rank | touch | window, unless the terms say otherwise | of several |\n|---|---|---|---|\n")
	p := text.English()
	for i, r := range commission.Ranks() {
		several := p.WhyRankLast()
		if r.Split {
			several = p.WhyRankModel()
		}
		fmt.Fprintf(&table, "| %d | %s | %s | %s |\n", i, p.Rank(r.Name), p.RankWindow(r.Name), several)
	}
	inReference(t, attribution, "ranks", table.String())
}

func TestReferenceListsEveryReason(t *testing.T) { //nolint:paralleltest // they write one file
	var table strings.Builder
	table.WriteString("| code | means |\n|---|---|\n")
	for _, r := range commission.Reasons() {
		fmt.Fprintf(&table, "| `%s` | %s |\n", r, text.English().Reason(string(r)))
	}
	inReference(t, attribution, "reasons", table.String())
}

func TestReferenceListsTheTableOfDecay(t *testing.T) { //nolint:paralleltest // they write one file
	var table strings.Builder
	table.WriteString("```\n")
	for i, n := range commission.Decay() {
		fmt.Fprintf(&table, "%d%s", n, map[bool]string{true: "\n", false: " "}[i%8 == 7])
	}
	table.WriteString("```\n")
	inReference(t, attribution, "decay", table.String())
}

func TestEachAlertNamesFiguresThatExistAndHasItsSection(t *testing.T) {
	t.Parallel()
	rules := read(t, "deploy", "prometheus", "alerts.yml")
	book := read(t, "docs", "operate", "runbook.md")
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)\n +expr: '([^'\n]+)'\n +for: \w+\n +labels: \{ severity: (page|look) \}\n +annotations: \{ summary: "[^"\n]+", runbook: "docs/operate/runbook\.md#([a-z]+)" \}$`).FindAllStringSubmatch(rules, -1)
	if n := strings.Count(rules, "alert:"); n != len(alerts) || n == 0 {
		t.Fatalf("%d of %d alerts are of the usual form", len(alerts), n)
	}
	known := names(t)
	for _, a := range alerts {
		name, expression, anchor := a[1], a[2], a[4]
		for _, unknown := range known.lacks(expression) {
			t.Errorf("%s asks for %s, which no process exposes", name, unknown)
		}
		if anchor != strings.ToLower(name) || !strings.Contains(book, "\n### "+name+"\n") {
			t.Errorf("%s points to %q: docs/operate/runbook.md must have a section of that name", name, anchor)
		}
	}
	for _, section := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(book, -1) {
		if !strings.Contains(rules, "alert: "+section[1]+"\n") {
			t.Errorf("docs/operate/runbook.md has a section %s, and no alert has that name", section[1])
		}
	}
}

func TestEachPromiseNamesTheTestsThatHoldIt(t *testing.T) {
	t.Parallel()
	promises := regexp.MustCompile(`(?m)^\| P\d \| .+ \| (.+) \|$`).FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(promises) != 8 {
		t.Fatalf("README.md has %d promises", len(promises))
	}
	for _, promise := range promises {
		tests := regexp.MustCompile(`\[(Test\w+)\]\(([\w/]+_test\.go)\)`).FindAllStringSubmatch(promise[1], -1)
		if len(tests) == 0 || len(tests) != 1+strings.Count(promise[1], ", ") {
			t.Errorf("%q does not name tests alone", promise[1])
		}
		for _, test := range tests {
			if !strings.Contains(read(t, filepath.FromSlash(test[2])), "\nfunc "+test[1]+"(t *testing.T) {") {
				t.Errorf("there is no %s in %s", test[1], test[2])
			}
		}
	}
}

func TestLinksInTheDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("%v: %v", pages, err)
	}
	pages = append(pages, filepath.Join("..", "..", "README.md"), filepath.Join("..", "..", "docs", "runs", "README.md"))
	operate, err := filepath.Glob(filepath.Join("..", "..", "docs", "operate", "*.md"))
	if err != nil || len(operate) != 3 {
		t.Fatalf("%v: %v", operate, err)
	}
	pages = append(pages, operate...)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(link[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s: %v", page, link[1], err)
			}
		}
	}
}

// TestWarningsAreThoseOfTheEngineAndDocumented holds that the tracker warns of every reason for which the engine lets a click
// earn nothing, by the same code, and that the table for integrators has the codes of all warnings and no others.
func TestWarningsAreThoseOfTheEngineAndDocumented(t *testing.T) {
	t.Parallel()
	warned := tracker.WarningCodes()
	for _, r := range commission.Reasons() {
		switch r {
		case commission.Credited, commission.AwaitingSale, commission.AwaitingPath, commission.Test, commission.Voided, commission.NoClick:
			continue // nothing is wrong with a click
		case commission.ClickNotCredited, commission.SoftClickNotCredited, commission.ImpressionNotCredited, commission.MarkedClick,
			commission.TooFast, commission.AfterCart, commission.CartExpired, commission.CouponNotInForce, commission.CouponOfAnotherMerchant,
			commission.PartnerNotEnrolled, commission.PartnerPaused, commission.PartnerLeft, commission.PartnerRemoved,
			commission.TermsNotAccepted, commission.SelfReferral, commission.RestrictedOrder, commission.NoRule, commission.NoRate, commission.CannotBePriced:
			continue // it follows from terms and enrolments, which trackers do not hold
		}
		if !r.OfOrder() {
			continue
		}
		if !slices.Contains(warned, string(r)) {
			t.Errorf("nobody is warned of %s", r)
		}
	}
	_, section, _ := strings.Cut(read(t, "docs", "integrate.md"), "**Warnings.**")
	section, _, _ = strings.Cut(section, "\n**")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	if !slices.Equal(documented, warned) {
		t.Errorf("docs/integrate.md tells of %v, the tracker warns of %v", documented, warned)
	}
}

// TestWhatReviewsDoIsDocumented holds that docs/reference/reviews.md names every act, every reason for which one does nothing, and
// explains every code of a decline in the words that pages have for it.
func TestWhatReviewsDoIsDocumented(t *testing.T) {
	t.Parallel()
	page := read(t, "docs", "reference", "reviews.md")
	var wanted []string
	for _, v := range commission.Verbs() {
		wanted = append(wanted, "| `"+string(v)+"`")
	}
	for _, r := range commission.NoEffects() {
		wanted = append(wanted, "`"+string(r)+"`")
	}
	for _, code := range commission.DeclineCodes() {
		wanted = append(wanted, "| `"+code+"` | "+text.English().DeclineCode(code)+" |")
	}
	for _, w := range wanted {
		if !strings.Contains(page, w) {
			t.Errorf("docs/reference/reviews.md lacks %s", w)
		}
	}
}

func TestTheDashboardShowsFiguresThatExist(t *testing.T) {
	t.Parallel()
	var board struct {
		Panels []struct {
			ID      int    `json:"id"`
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(read(t, "deploy", "grafana", "pipeline.json")), &board); err != nil {
		t.Fatal(err)
	}
	known := names(t)
	seen := map[int]bool{}
	queries := 0
	for _, p := range board.Panels {
		if seen[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		seen[p.ID] = true
		for _, q := range p.Targets {
			queries++
			for _, unknown := range known.lacks(q.Expr) {
				t.Errorf("%q asks for %s, which no process exposes", p.Title, unknown)
			}
		}
	}
	if queries < 50 {
		t.Errorf("the dashboard has %d queries", queries)
	}
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// known are the names of all figures.
type known map[string]bool

func names(t *testing.T) known {
	t.Helper()
	k := known{}
	for _, f := range figures(t) {
		k[f.name] = true
	}
	return k
}

// lacks gives the names in an expression that nothing registers.
func (k known) lacks(expression string) (unknown []string) {
	for _, name := range regexp.MustCompile(`tributary_\w+`).FindAllString(expression, -1) {
		if !k[name] && !k[strings.TrimSuffix(name, "_bucket")] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// figure is what a process exposes.
type figure struct {
	name, help string
	labels     []string
}

// figures are those of a process in every role with embedded engines, apart from those of Go and of the process itself.
func figures(t *testing.T) []figure {
	t.Helper()
	r := testRiver(t)
	db, err := r.open(t.Context(), postgres.Operator, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	conn, err := clickhouse.Open(r.stores.clickhouse[clickhouse.Loader.Name()], 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	catalogue := catalogue.New(db, r.log)
	in, err := r.intake(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.spool.Close() })
	if _, err := tracker.New(in.config); err != nil {
		t.Fatal(err)
	}
	if _, err := dashboard.New(dashboard.Config{Metrics: r.metrics}); err != nil {
		t.Fatal(err)
	}
	r.countAge(catalogue)
	registry.New(registry.Config{Metrics: r.metrics})
	loader.New(loader.Config{DB: db, ClickHouse: conn, Kafka: r.kafka, Partitions: 1}, r.log, r.metrics)
	engine.New(engine.Config{DB: db, Kafka: r.kafka, Partitions: 1, Log: r.log, Metrics: r.metrics})
	audit.NewInspector(audit.Check{}, r.log, r.metrics)
	audit.NewComparer(db, conn, r.log, r.metrics)
	newWatch(db, r.kafka, 1, r.log, r.metrics)
	embedded.New(embedded.Config{Dir: t.TempDir(), Postgres: true, Kafka: true, ClickHouse: true}).Register(r.metrics)

	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		r.metrics.Describe(described)
	}()
	form := regexp.MustCompile(`^Desc\{fqName: "(tributary_\w+)", help: "(.*)", unit: "[^"]*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	byName := map[string]figure{}
	for d := range described {
		m := form.FindStringSubmatch(d.String())
		if m == nil {
			continue
		}
		f := figure{name: m[1], help: m[2]}
		for label := range strings.SplitSeq(m[3]+","+m[4], ",") {
			if label, _, _ = strings.Cut(label, "="); label != "" {
				f.labels = append(f.labels, label)
			}
		}
		byName[f.name] = f
	}
	all := make([]figure, 0, len(byName))
	for _, f := range byName {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b figure) int { return strings.Compare(a.name, b.name) })
	if len(all) < 50 {
		t.Fatalf("only %d figures are registered", len(all))
	}
	return all
}
