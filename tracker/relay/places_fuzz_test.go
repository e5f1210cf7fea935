package relay

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzPlaces holds that a cursor file of any content is refused or read, and that what was read is written as it was.
func FuzzPlaces(f *testing.F) {
	f.Add([]byte(`{"spool": "0123456789abcdef0123456789abcdef", "lanes": [{"at": "3:4096", "sent": 17}, {"at": "1:0", "sent": 0}]}`))
	f.Add([]byte(`{"spool": "00", "lanes": null}`))
	f.Add([]byte(`{"lanes": [{"at": "-1:99999999999999999999"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "cursor")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := readPlaces(path)
		if err != nil {
			return
		}
		if err := p.write(path); err != nil {
			t.Fatal(err)
		}
		again, err := readPlaces(path)
		if diff := cmp.Diff(p, again); err != nil || diff != "" {
			t.Errorf("%q: %v (-read +written and read)\n%s", data, err, diff)
		}
	})
}
