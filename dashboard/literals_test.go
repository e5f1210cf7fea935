package dashboard

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tributary/internal/text"
)

// TestNoSentenceStandsInCode finds texts for people in the code of the pages and of what they call, where no page in the
// pseudo-locale would show them: two words of which one has a capital letter in front, or ends with a full stop. Errors and
// logs begin with a small letter, and are for operators. A test of the tracker looks at its answers.
func TestNoSentenceStandsInCode(t *testing.T) {
	t.Parallel()
	sentence := regexp.MustCompile(`^[A-Z][a-z]+,? [\p{L}%]|^\p{L}+ .*[a-z]\.$|%[sd] [a-z]+s\b`)
	look := func(n ast.Node, at token.Position) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Help" {
				return false // of a metric
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Errorf" || f.Sel.Name == "Panicf") {
				return false
			}
		case *ast.BasicLit:
			if said, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && sentence.MatchString(said) {
				t.Errorf("%s: %q is no message of internal/text", at, said)
			}
		}
		return true
	}
	found := 0
	for _, folder := range []string{".", "../partners", "../report"} {
		found += inspect(t, folder, look)
	}
	if found < 30 {
		t.Errorf("only %d files read", found)
	}
}

// inspect visits the code of a folder, without tests and pages.
func inspect(t *testing.T, folder string, visit func(n ast.Node, at token.Position) bool) (found int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") {
			return err
		}
		found++
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			return n == nil || visit(n, files.Position(n.Pos()))
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEveryFaultIsSaid compares the codes of the faults that reach pages with those that have a sentence.
func TestEveryFaultIsSaid(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{"internal": true} // what fault.Of makes of any other error
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok {
			if word, err := strconv.Unquote(lit.Value); err == nil && code.MatchString(word) {
				codes[word] = true
			}
		}
	}
	for _, folder := range []string{".", "../commission/engine", "../partners", "../report"} {
		inspect(t, folder, func(n ast.Node, at token.Position) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if f, ok := n.Type.(*ast.SelectorExpr); ok && f.Sel.Name == "Field" {
					t.Errorf("%s: a field of a fault is made by fault.Wrong, of messages", at)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "New" || f.Sel.Name == "Coded") && len(n.Args) == 3 {
					note(n.Args[1])
				}
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "tooMany" {
					note(n.Args[2])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					note(n.Value)
				}
			case *ast.ValueSpec:
				if n.Type == nil && (strings.HasSuffix(n.Names[0].Name, "Code") || strings.HasPrefix(n.Names[0].Name, "Code")) {
					for _, v := range n.Values {
						note(v)
					}
				}
			}
			return true
		})
	}
	for _, said := range text.ProblemCodes() {
		if !codes[said] {
			t.Errorf("no fault has the code %s", said)
		}
		delete(codes, said)
	}
	for code := range codes {
		t.Errorf("no page says what %s is", code)
	}
}
