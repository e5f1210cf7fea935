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
)

// TestNoSentenceStandsInCode finds texts for people in the code of the pages, where no page in the pseudo-locale would show
// them: two words of which one has a capital letter in front, or ends with a full stop. Errors and logs begin with a small
// letter, and are for operators.
func TestNoSentenceStandsInCode(t *testing.T) {
	t.Parallel()
	sentence := regexp.MustCompile(`^[A-Z][a-z]+,? [\p{L}%]|^\p{L}+ .*[a-z]\.$|%[sd] [a-z]+s\b`)
	found := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
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
					t.Errorf("%s: %q is no message of internal/text", files.Position(n.Pos()), said)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || found < 30 {
		t.Errorf("%d files read: %v", found, err)
	}
}
