package loader

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzMarks holds that marks of any content are refused or a position that is written as it was.
func FuzzMarks(f *testing.F) {
	f.Add([]byte(`{"01000000000000000000000000000000": {"seq": 5, "gap": 7}}`))
	f.Add([]byte(`{"01": {"seq": -1}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodeMarks(3, data)
		if err != nil {
			return
		}
		written, err := encodeMarks(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeMarks(3, written)
		if err != nil || !cmp.Equal(p.Marks, again.Marks) {
			t.Errorf("%s: %v (-read +written and read)\n%s", data, err, cmp.Diff(p.Marks, again.Marks))
		}
	})
}
