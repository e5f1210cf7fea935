package chaos

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/tracker/clickid"
)

func TestTheCrowdIsHeldToWhatItWasAnswered(t *testing.T) {
	t.Parallel()
	ring, err := clickid.NewRing([]clickid.Key{clickid.GenerateKey(1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{World: &World{ring: ring}, crowd: newCrowd(t.TempDir(), "", nil)}
	var ids []string
	for link := range int64(4) {
		ids = append(ids, ring.Mint(link+1, time.Now()))
	}
	content := ids[0] + "\nunstored\n" + ids[1] + "\n503 later\n503\n400\n" + ids[2] + "\ntorn"
	if err := os.WriteFile(r.crowd.outcomes, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	counts, err := r.crowd.cut()
	want := crowdCounts{Stored: 3, Unstored: 1, Other: map[string]int{"503": 2, "400": 1}, Hasty: 1}
	if diff := cmp.Diff(want, counts); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if counts, err := r.crowd.cut(); counts.Stored != 0 || err != nil {
		t.Errorf("answers are counted twice: %+v, %v", counts, err)
	}
	for name, c := range map[string]struct {
		rows map[string]int
		want []string
	}{
		"all is well":            {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1}, nil},
		"one got no answer":      {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1, ids[3]: 1}, nil},
		"one is missing":         {map[string]int{ids[0]: 1, ids[2]: 1}, []string{ClickMissing}},
		"one is there twice":     {map[string]int{ids[0]: 1, ids[1]: 2, ids[2]: 1}, []string{ClickDoubled}},
		"one is not the network": {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1, ids[2][1:] + "A": 1}, []string{ClickInvented}},
	} {
		found, err := r.judgeCrowd(c.rows)
		var checks []string
		for _, f := range found {
			checks = append(checks, f.Check)
		}
		if diff := cmp.Diff(c.want, checks); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}
