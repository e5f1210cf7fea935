package main

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tributary/commission/rerun"
	"tributary/test/oracle"
)

// recomputed is the replay's answer from the file, by a reading of the rule that shares no code with the product.
func recomputed(t *testing.T, path string) oracle.Answer {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := oracle.Compute(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestTheBooksOfARetailReplayAreThoseOfTheRule(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		whole bool
		flags []string
	}{
		"sample":                    {flags: nil},
		"sample, shuffled, twice":   {flags: []string{"--shuffle", "7", "--twice"}},
		"whole":                     {whole: true},
		"whole, shuffled":           {whole: true, flags: []string{"--shuffle", "1"}},
		"whole, shuffled and twice": {whole: true, flags: []string{"--shuffle", "2", "--twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := retailFile(t, tt.whole)
			data := t.TempDir()
			want := recomputed(t, path)
			for _, again := range []string{"first", "again on the same folder"} {
				if again != "first" && tt.whole {
					break
				}
				out, err := tributary(t.Context(), t, nil, append([]string{"replay", "retail", path, "--json", "--data", data}, tt.flags...)...)
				if err != nil {
					t.Fatal(err)
				}
				var got oracle.Answer
				if err := json.Unmarshal([]byte(out), &got); err != nil {
					t.Fatalf("the answer is not JSON: %v\n%s", err, out)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: -rule +books:\n%s", again, diff)
				}
			}
			if out, err := tributary(t.Context(), t, nil, "verify", "--data", data); err != nil {
				t.Errorf("verify after the replay: %v\n%s", err, out)
			}
			if out, err := tributary(t.Context(), t, nil, "replay", "books", "--data", data); err != nil || !strings.Contains(out, "identical") {
				t.Errorf("the books, replayed: %v\n%s", err, out)
			}
			simulatesTheBooks(t, data, want.Total)
		})
	}
}

// simulatesTheBooks holds a simulation of the terms that stand against the books, and has terms that pay nothing beside them.
func simulatesTheBooks(t *testing.T, data string, total oracle.Row) {
	t.Helper()
	terms := filepath.Join(t.TempDir(), "terms.json")
	document := `{"schema":1,"attribution":{"touches":{"click":{"window":"30d"}}},"hold":"30d","network_fee":0,"rules":[]}`
	if err := os.WriteFile(terms, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := tributary(t.Context(), t, nil, "simulate", "--program", "1", "--terms", terms, "--from", "2009-01-01", "--to", "2013-01-01", "--json", "--data", data)
	if err != nil {
		t.Fatal(err)
	}
	var got rerun.Result
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Totals) != 1 {
		t.Fatalf("the simulation: %v\n%s", err, out)
	}
	if is := got.Totals[0]; is.Old != (rerun.Earned{Orders: total.Net, Fee: total.Fee}) || is.New != (rerun.Earned{}) {
		t.Errorf("simulated: %+v, want %d and a fee of %d, then nothing", is, total.Net, total.Fee)
	}
	if got.Credited.Old == 0 || len(got.Most) != 50 || got.Most[0].Old < got.Most[49].Old || got.Most[49].New != 0 {
		t.Errorf("simulated: %+v", got)
	}
}
