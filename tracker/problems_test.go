package tracker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tributary/internal/fault"
)

// Every code that this package can answer has a text, so that the address in a problem's "type" leads somewhere.
func TestEveryProblemIsExplainedAtItsAddress(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`Code: "([a-z_]+)"[,}]|fault\.New\(fault\.\w+, "([a-z_]+)"|invalid\("([a-z_]+)"`)
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range code.FindAllStringSubmatch(string(text), -1) {
			found++
			name := match[1] + match[2] + match[3]
			if a := e.ask(t, "GET", "/problems/"+name, nil); a.status != 200 || !strings.HasPrefix(a.body, name) {
				t.Errorf("%s: /problems/%s answers %d", file, name, a.status)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d codes were found in the source", found)
	}
	a := e.ask(t, "POST", "/v1/conversions", nil)
	var problem fault.Problem
	if err := json.Unmarshal([]byte(a.body), &problem); err != nil {
		t.Fatal(err)
	}
	if b := e.ask(t, "GET", problem.Type, nil); b.status != 200 {
		t.Errorf("%s answers %d", problem.Type, b.status)
	}
	if b := e.ask(t, "GET", "/problems/none", nil); b.status != 404 {
		t.Errorf("a problem that does not exist answers %d", b.status)
	}
}
