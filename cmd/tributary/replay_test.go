package main

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		})
	}
}
