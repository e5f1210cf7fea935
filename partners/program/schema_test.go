package program

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"tributary/internal/money"
)

var update = flag.Bool("update", false, "write docs/reference/terms.schema.json")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// schema is what is published of Document.
func schema(t *testing.T) []byte {
	t.Helper()
	s, err := jsonschema.For[Document](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Duration]():   {Type: "string", Pattern: durationPattern},
		reflect.TypeFor[money.Rate](): {Type: "integer", Minimum: new(0.0), Maximum: new(float64(money.One))},
		reflect.TypeFor[Kind]():       {Type: "string", Enum: []any{Site, Member}},
	}})
	must(t, err)
	s.Schema, s.Title = "https://json-schema.org/draft/2020-12/schema", "Terms of a Tributary program"
	s.Properties["schema"].Const = new(any(Schema))
	rules := s.Properties["rules"]
	rules.Types, rules.Type, rules.MaxItems = nil, "array", new(maxRules)
	category := rules.Items.Properties["where"].Properties["category"]
	category.MinLength, category.MaxLength = new(1), new(maxCategory)
	text, err := json.MarshalIndent(s, "", "  ")
	must(t, err)
	return append(text, '\n')
}

func TestThePublishedSchemaIsThatOfTheType(t *testing.T) { //nolint:paralleltest // it may write the file
	file := filepath.Join("..", "..", "docs", "reference", "terms.schema.json")
	want := schema(t)
	if *update {
		must(t, os.WriteFile(file, want, 0o600))
	}
	have, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("run go test ./partners/program -update (-type +file):\n%s", diff)
	}
}

// TestTheSchemaAgreesWithTheReader holds that whoever checks a document by the published schema is told what the reader says.
func TestTheSchemaAgreesWithTheReader(t *testing.T) {
	t.Parallel()
	parsed, err := validator.UnmarshalJSON(bytes.NewReader(schema(t)))
	must(t, err)
	compiler := validator.NewCompiler()
	must(t, compiler.AddResource("terms.schema.json", parsed))
	published, err := compiler.Compile("terms.schema.json")
	must(t, err)
	for _, row := range documents() {
		if row.beyondSchema {
			continue
		}
		value, err := validator.UnmarshalJSON(bytes.NewReader([]byte(row.text)))
		if err != nil {
			continue // not JSON
		}
		if invalid := published.Validate(value); (invalid == nil) != (row.wrong == "") {
			t.Errorf("%s: the schema says %v, the reader is to say %q", row.name, invalid, row.wrong)
		}
	}
}
