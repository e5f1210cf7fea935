package whatif

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// TestCases holds the decisions to the cases of the design, by their numbers: what a line of want.jsonl says, the line with the
// same order or period of the output says too. A case with a file refused is not decided, for that reason.
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string][]byte{}
			for _, f := range archive.Files {
				part[f.Name] = f.Data
			}
			decided, err := decideCase(part)
			if refused := strings.TrimSpace(string(part["refused"])); refused != "" {
				if err == nil || err.Error() != refused {
					t.Errorf("%s: %v, want %s", strings.TrimSpace(string(archive.Comment)), err, refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := decided.Write(&out); err != nil {
				t.Fatal(err)
			}
			compare(t, string(archive.Comment), part["want.jsonl"], out.Bytes())
		})
	}
}

func decideCase(part map[string][]byte) (Decided, error) {
	terms, err := ReadTerms(bytes.NewReader(part["terms.json"]))
	if err != nil {
		return Decided{}, err
	}
	return Decide(terms, bytes.NewReader(part["facts.jsonl"]), time.Time{})
}

// compare finds each wanted line in the output and holds it against it.
func compare(t *testing.T, title string, want, got []byte) {
	t.Helper()
	lines := parse(t, got)
	for _, w := range parse(t, want) {
		found := false
		for _, g := range lines {
			if name(w) == name(g) {
				found = true
				if !says(w, g) {
					t.Errorf("%s: want %s\ngot %s", strings.TrimSpace(title), asText(w), asText(g))
				}
			}
		}
		if !found {
			t.Errorf("%s: there is no line for %s in\n%s", strings.TrimSpace(title), asText(w), got)
		}
	}
}

func parse(t *testing.T, lines []byte) (all []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// name tells lines apart.
func name(line map[string]any) string {
	if p, is := line["period"].(map[string]any); is {
		return asText([]any{p["rule"], p["partner"], p["start"]})
	}
	return asText(line["order"])
}

func asText(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// says reports whether all that is wanted is there: members of objects by name, lists in full.
func says(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, is := got.(map[string]any)
		for key, value := range w {
			if is = is && says(value, g[key]); !is {
				return false
			}
		}
		return is
	case []any:
		g, _ := got.([]any)
		if len(w) != len(g) {
			return false
		}
		for i := range w {
			if !says(w[i], g[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(want, got)
}

func TestWhatIsWrongWithALineIsToldByItsField(t *testing.T) {
	t.Parallel()
	terms, err := ReadTerms(strings.NewReader(`{"schema":1,"attribution":{"touches":{"click":{}}},"hold":"0d","network_fee":0,"rules":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ line, field string }{
		{`{"order":`, ""},
		{`{}`, ""},
		{`{"partner":{"id":1},"bind":{"customer":"x","partner":1}}`, ""},
		{`{"partner":{"id":1}} {"partner":{"id":2}}`, ""},
		{`{"partner":{"id":0}}`, "partner.id"},
		{`{"partner":{"id":null}}`, "partner.id"},
		{`{"partner":{"id":1,"id":2}}`, "partner.id"},
		{`{"partner":{"id":"1"}}`, "partner.id"},
		{`{"partner":{"id":1,"kind":"shop"}}`, "partner.kind"},
		{`{"partner":{"id":1,"groop":[]}}`, "partner.groop"},
		{`{"click":{"id":"c","partner":1,"at":"2026-09-01T00:00:00Z"}}`, "click.partner"},
		{`{"order":{"id":"A","currency":"USD","lines":[]}}`, "order.at"},
		{`{"order":{"id":"A","at":"2026-09-01T00:00:00Z","currency":"XXX","lines":[]}}`, "order"},
		{`{"order":{"id":"A","at":"2026-09-01T00:00:00Z","currency":"USD","lines":[{"amount":1.5}]}}`, "order.lines.amount"},
		{`{"order":{"id":"A","at":"2026-09-01T00:00:00Z","currency":"USD","path":["c"],"lines":[]}}`, "order.path[0]"},
		{`{"refund":{"order":"A","id":"r","at":"2026-09-01T00:00:00Z"}}`, "refund"},
		{`{"rate":{"base":"EUR","quote":"USD","day":"today","num":1,"den":1}}`, "rate.day"},
		{`{"bind":{"customer":"x","partner":5,"from":"2026-09-01T00:00:00Z"}}`, "bind.partner"},
	} {
		_, err := Decide(terms, strings.NewReader("\n"+row.line+"\n"), time.Time{})
		problem, is := errors.AsType[*LineError](err)
		if !is || problem.Line != 2 || problem.Name != row.field || problem.Problem == "" || problem.Fix == "" {
			t.Errorf("%s: %v; want field %q of line 2", row.line, err, row.field)
		}
	}
}
