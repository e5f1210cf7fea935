package fire

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/keyring"
	"tributary/tracker/clickid"
)

func TestTheCrowdIsHeldToWhatItWasAnswered(t *testing.T) {
	t.Parallel()
	ring, err := clickid.NewRing([]keyring.Key{keyring.Generate(1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{World: &World{ring: ring}, crowd: newCrowd(t.TempDir(), "", nil, nil)}
	var ids []string
	for link := range int64(5) {
		ids = append(ids, ring.Mint(link+1, time.Now()))
	}
	content := ids[0] + "\nunstored\n" + ids[1] + "\n503 later\n" + ids[2] + "\ntorn"
	if err := os.WriteFile(r.crowd.outcomes, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	counts, err := r.crowd.cut()
	want := crowdCounts{Stored: 3, Unstored: 1, Other: map[string]int{"503": 1}}
	if diff := cmp.Diff(want, counts); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if counts, err := r.crowd.cut(); counts.Stored != 0 || err != nil {
		t.Errorf("answers are counted twice: %+v, %v", counts, err)
	}
	for name, c := range map[string]struct {
		rows map[string]int
		more string // answers
		want []string
	}{
		"all is well":                            {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1}, "", nil},
		"an unstored one is there":               {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1, ids[3]: 1}, "", nil},
		"one was turned away":                    {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1, ids[3]: 1, ids[4]: 1}, "", []string{ClickInvented}},
		"one is missing":                         {map[string]int{ids[0]: 1, ids[2]: 1}, "", []string{ClickMissing}},
		"one is there twice":                     {map[string]int{ids[0]: 1, ids[1]: 2, ids[2]: 1}, "", []string{ClickDoubled}},
		"one is not the network's":               {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1, ids[2][1:] + "A": 1}, "", []string{ClickInvented}},
		"a visit is an error":                    {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1}, "404\n", []string{RefusedWrongly}},
		"a visit is refused without Retry-After": {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1}, "503\n", []string{RefusedWrongly}},
		"a visit is refused with Retry-After":    {map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1}, "429 later\n", nil},
	} {
		if err := os.WriteFile(r.crowd.outcomes, []byte(strings.Replace(content, "torn", c.more, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
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

func TestACrowdComesAndGoesAtOnce(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("wrk"); err != nil {
		c := newCrowd(t.TempDir(), "http://127.0.0.1:1", []Place{{Code: "x"}}, newSpawner())
		if err := c.resize(100); err == nil || !strings.Contains(err.Error(), "package wrk") {
			t.Errorf("without wrk: %v", err)
		}
		return
	}
	sink := httptest.NewServer(http.RedirectHandler("/?tclid=id", http.StatusFound))
	defer sink.Close()
	c := newCrowd(t.TempDir(), sink.URL, []Place{{Code: "x"}}, newSpawner())
	for n := range 8 {
		if err := c.resize(100); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(n) * 3 * time.Millisecond)
		if err := c.leave(); err != nil {
			t.Fatal(err)
		}
	}
	if c.unanswered < 8*50 {
		t.Errorf("%d requests without an answer, want one a connection at least", c.unanswered)
	}
}
