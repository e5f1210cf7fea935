package program

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestTheReferenceIsRight holds that the page about terms names every field and every key, and that its documents are right.
func TestTheReferenceIsRight(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "terms.md"))
	must(t, err)
	text := string(page)
	for _, row := range keyRows() {
		if !strings.Contains(text, "`"+strings.TrimSuffix(row.name, ".")) {
			t.Errorf("no word of the key %s", row.name)
		}
	}
	for _, field := range fieldsOf(reflect.TypeFor[Document](), map[reflect.Type]bool{}) {
		if !strings.Contains(text, "`"+field+"`") && !strings.Contains(text, "."+field+"`") && !strings.Contains(text, "`"+field+".") {
			t.Errorf("no word of the field %s", field)
		}
	}
	documents := strings.Split(text, "```json\n")[1:]
	for _, rest := range documents {
		document, _, _ := strings.Cut(rest, "```")
		d := whole(t, document)
		if bad := d.Check(""); len(bad) > 0 {
			t.Errorf("%+v in\n%s", bad, document)
		}
	}
	if len(documents) != 2 {
		t.Errorf("there are %d documents", len(documents))
	}
}

// fieldsOf are the names of a type's fields in JSON, and of those within it.
func fieldsOf(of reflect.Type, seen map[reflect.Type]bool) (names []string) {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[Test]() || seen[of] {
		return nil
	}
	seen[of] = true
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(append(names, name), fieldsOf(f.Type, seen)...)
	}
	return names
}
