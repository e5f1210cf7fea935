package dashboard

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Pages hold no SQL and know no database: what they read is package report's, what they change partners/access's.
func TestNoPageContainsSQL(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`"github\.com/jackc/pgx|"tributary/internal/(clickhouse|postgres)"|\bSELECT\b|\bINSERT INTO\b|\bDELETE FROM\b|\bUPDATE \w+ SET\b`)
	files := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if strings.HasSuffix(path, ".sql") {
			t.Errorf("%s is SQL", path)
		}
		if !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".templ") {
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if found := forbidden.Find(text); found != nil {
			t.Errorf("%s has %q", path, found)
		}
		return err
	})
	if err != nil || files < 60 {
		t.Errorf("%d files: %v", files, err)
	}
}
