package tracker

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tributary/internal/fault"
	"tributary/internal/text"
)

// TestEveryProblemIsExplainedAtItsAddress holds that every code of an answer has a text and no other has, so that the address
// in a problem's "type" leads somewhere, and that all that answers say are messages of internal/text.
func TestEveryProblemIsExplainedAtItsAddress(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`fault\.Detailed\(fault\.\w+, "([a-z_]+)",|invalid\("([a-z_]+)",`)
	sentence := regexp.MustCompile(`fault\.(New\(|Error\{|Field\{)`)
	codes := map[string]bool{fault.Of(nil).Code: true}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := sentence.Find(source); found != nil {
			t.Errorf("%s: %s takes any sentence: make faults and fields by fault.Detailed and fault.Wrong", file, found)
		}
		for _, match := range code.FindAllStringSubmatch(string(source), -1) {
			codes[match[1]+match[2]] = true
		}
	}
	if found := slices.Sorted(maps.Keys(codes)); !slices.Equal(found, text.APIProblemCodes()) {
		t.Errorf("the source has the codes %v, and texts have %v", found, text.APIProblemCodes())
	}
	for name := range codes {
		if a := e.ask(t, "GET", "/problems/"+name, nil); a.status != 200 || !strings.HasPrefix(a.body, name+"\n\n"+text.English().APIProblem(name)) {
			t.Errorf("/problems/%s answers %d", name, a.status)
		}
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
