package program

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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
		reflect.TypeFor[PartnerID]():  {Type: "integer", Minimum: new(1.0)},
		reflect.TypeFor[Model]():      oneOf(choicesOf(reflect.TypeFor[Model]())),
		reflect.TypeFor[Payee]():      oneOf(choicesOf(reflect.TypeFor[Payee]())),
		reflect.TypeFor[Of]():         oneOf(choicesOf(reflect.TypeFor[Of]())),
		reflect.TypeFor[Per]():        oneOf(choicesOf(reflect.TypeFor[Per]())),
		reflect.TypeFor[Measure]():    oneOf(choicesOf(reflect.TypeFor[Measure]())),
		reflect.TypeFor[Length]():     oneOf(choicesOf(reflect.TypeFor[Length]())),
		reflect.TypeFor[Mode]():       oneOf(choicesOf(reflect.TypeFor[Mode]())),
		reflect.TypeFor[Sign]():       oneOf(choicesOf(reflect.TypeFor[Sign]())),
		reflect.TypeFor[Cond]():       {Ref: "#/$defs/condition"},
	}})
	must(t, err)
	s.Schema, s.Title = "https://json-schema.org/draft/2020-12/schema", "Terms of a Tributary program"
	s.Properties["schema"].Const = new(any(Schema))
	s.Defs = map[string]*jsonschema.Schema{"condition": conditionSchema()}
	for kind, touching := range s.Properties["attribution"].Properties["touches"].Properties {
		for name := range touching.Properties {
			if !slices.Contains(boundsOf(kind), name) {
				delete(touching.Properties, name)
			}
		}
		touching.PropertyOrder = slices.DeleteFunc(touching.PropertyOrder, func(name string) bool { return touching.Properties[name] == nil })
	}
	rules := s.Properties["rules"]
	rules.Types, rules.Type, rules.MaxItems = nil, "array", new(maxRules)
	tidySchema(s)
	text, err := json.MarshalIndent(s, "", "  ")
	must(t, err)
	return append(text, '\n')
}

// oneOf is a text that must be one of some.
func oneOf(values []string) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, value := range values {
		s.Enum = append(s.Enum, value)
	}
	return s
}

// conditionSchema is that of a Cond, by its keys.
func conditionSchema() *jsonschema.Schema {
	self := &jsonschema.Schema{Ref: "#/$defs/condition"}
	one := func(s *jsonschema.Schema) *jsonschema.Schema {
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "array", Items: s, MinItems: new(1)}}}
	}
	number := &jsonschema.Schema{Type: "integer", Minimum: new(0.0)}
	shapes := map[shape]func() *jsonschema.Schema{
		texts: func() *jsonschema.Schema {
			return one(&jsonschema.Schema{Type: "string", MinLength: new(1), MaxLength: new(maxText)})
		},
		numbers: func() *jsonschema.Schema { return one(&jsonschema.Schema{Type: "integer", Minimum: new(1.0)}) },
		ranged: func() *jsonschema.Schema {
			return &jsonschema.Schema{
				Type: "object", Properties: map[string]*jsonschema.Schema{"min": number, "max": number}, MinProperties: new(1),
				AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
			}
		},
		conds: func() *jsonschema.Schema { return &jsonschema.Schema{Type: "array", Items: self, MinItems: new(1)} },
		cond:  func() *jsonschema.Schema { return &jsonschema.Schema{AllOf: []*jsonschema.Schema{self}} },
	}
	c := &jsonschema.Schema{
		Type: "object", Description: "All that it says must hold.", Properties: map[string]*jsonschema.Schema{},
		PatternProperties: map[string]*jsonschema.Schema{}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	for key, row := range keyRows() {
		value := shapes[row.shape]()
		value.Description = meaning(Key(key))
		if Key(key) == KeyMeta {
			c.PatternProperties[`^meta\..`] = value
			continue
		}
		if from := choicesOfKey(Key(key)); from != nil {
			value = one(oneOf(from))
		}
		value.Description = meaning(Key(key))
		c.Properties[row.name] = value
	}
	return c
}

// tidySchema says of optional fields what the reader says: a list is a list, a text not empty, and a number not 0.
func tidySchema(s *jsonschema.Schema) {
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	for name, p := range s.Properties {
		switch tidySchema(p); {
		case name == "unit":
			p.Enum = []any{UnitPoint}
		case name == "only":
			p.Enum = []any{OnlyNew}
		case p.Pattern == durationPattern && name != "hold":
			p.Pattern = `^[1-9][0-9]{0,9}[dhms]$`
		case p.Type == "string" && p.Pattern == "" && p.Enum == nil:
			p.MinLength = new(1)
		case p.Type == "integer" && p.Minimum == nil && name != "schema":
			p.Minimum = new(1.0)
		}
	}
	if s.Items != nil {
		tidySchema(s.Items)
	}
	if pay := s.Properties; pay["percent"] != nil && pay["fixed"] != nil {
		s.AnyOf = []*jsonschema.Schema{{Required: []string{"percent"}}, {Required: []string{"fixed"}}}
	} else if pay["percent"] != nil {
		for _, kind := range []string{"percent", "of_commission", "each", "once"} {
			s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Required: []string{kind}})
		}
	}
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
