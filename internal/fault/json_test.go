package fault

import (
	"testing"

	"tributary/internal/text"
)

func TestJSONSaysWhereItGoesWrong(t *testing.T) {
	t.Parallel()
	ends := "the JSON ends too early: a bracket, a brace or a quotation mark is not closed"
	for data, want := range map[string]string{
		"":                             ends,
		" ":                            ends,
		`{"a": 1`:                      ends,
		`{"a": "b`:                     ends,
		`{"a": tru`:                    ends,
		`[[`:                           ends,
		`{"a": 1,}`:                    "it is not JSON: '}' cannot stand at line 1, column 9",
		`{"a": 1}}`:                    "it is not JSON: '}' cannot stand at line 1, column 9",
		"{\n  \"a\": 1\n  \"b\": 2\n}": "it is not JSON: '\"' cannot stand at line 3, column 3",
		"{\"name\": \"Škoda\", x}":     "it is not JSON: 'x' cannot stand at line 1, column 19",
		"{\"a\": \"two\nlines\"}":      "it is not JSON: '\\n' cannot stand at line 1, column 11",
		"'a'":                          "it is not JSON: '\\'' cannot stand at line 1, column 1",
		"{\"a\": “b”}":                 "it is not JSON: '“' cannot stand at line 1, column 7",
	} {
		problem, fix := JSON([]byte(data))
		if got := text.English().Say(problem); got != want || text.English().Say(fix) == "" {
			t.Errorf("%q: %s", data, got)
		}
	}
}
