package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tributary/commission/whatif"
)

const tenPercent = `{"schema":1,"attribution":{"touches":{"click":{}}},"hold":"30d","network_fee":0,"rules":[{"id":"any","where":{"any":[{"category":"x"},{"not":{"category":"x"}}]},"pay":{"percent":100000}}]}`

// What docs/reference/decide.md gives as facts comes out as it says.
func TestTheExampleOfDecideIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/decide.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```")
	terms, facts := strings.TrimPrefix(blocks[1], "json\n"), strings.TrimPrefix(blocks[3], "json\n")
	want := strings.TrimSpace(strings.TrimPrefix(blocks[5], "json\n"))
	got, err := decideText(t, terms, facts)
	if err != nil || strings.TrimSpace(got) != want {
		t.Errorf("%v\ngot  %swant %s", err, got, want)
	}
}

func TestDecideNamesFileLineAndField(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ terms, facts, want string }{
		{tenPercent, "\n" + `{"order":{"id":"A","lines":[]}}`, "facts.jsonl: line 2: order.at: it is missing; "},
		{strings.Replace(tenPercent, `"30d"`, `30`, 1), "", "terms.json: hold: "},
		{`{"from":"2026-01-01T00:00:00Z","terms":{}}`, "", "terms.json: line 1: "},
	} {
		_, err := decideText(t, row.terms, row.facts)
		input, is := errors.AsType[*inputError](err)
		if !is || !strings.Contains(input.Error(), row.want) {
			t.Errorf("%s: %v; want %q", row.facts, err, row.want)
		}
		if _, is := errors.AsType[*whatif.LineError](err); !is {
			t.Errorf("%s: %v is not about a line", row.facts, err)
		}
	}
}

// decideText runs the command on files of this content.
func decideText(t *testing.T, terms, facts string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"terms.json": terms, "facts.jsonl": facts} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	decide := newDecide()
	var out strings.Builder
	decide.SetOut(&out)
	decide.SilenceErrors, decide.SilenceUsage = true, true
	decide.SetArgs([]string{"--terms", filepath.Join(dir, "terms.json"), "--facts", filepath.Join(dir, "facts.jsonl")})
	err := decide.ExecuteContext(t.Context())
	return out.String(), err
}
