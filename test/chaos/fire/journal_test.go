package fire_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/test/chaos/fire"
	"tributary/test/chaos/model"
)

// written makes a journal of 20 attempts, of which every third has no outcome, and returns its bytes.
func written(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := fire.NewJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for n := range int64(20) {
		group.Go(func() {
			intent := fire.Intent{N: n + 1, At: time.UnixMicro(n).UTC(), Refund: &model.Refund{ID: strconv.FormatInt(n, 10), At: time.UnixMicro(n).UTC()}}
			if err := j.Write(intent); err != nil {
				t.Error(err)
			}
			if n%3 == 0 {
				return
			}
			if err := j.Write(fire.Outcome{N: n + 1, Status: 200}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestAJournalSaysWhatWasWritten(t *testing.T) {
	t.Parallel()
	attempts, err := fire.ReadJournal(bytes.NewReader(written(t)))
	if err != nil || len(attempts) != 20 {
		t.Fatal(len(attempts), err)
	}
	for _, a := range attempts {
		want := fire.Attempt{Intent: fire.Intent{N: a.N, At: time.UnixMicro(a.N - 1).UTC(), Refund: &model.Refund{ID: strconv.FormatInt(a.N-1, 10), At: time.UnixMicro(a.N - 1).UTC()}}}
		if (a.N-1)%3 != 0 {
			want.Outcome = fire.Outcome{N: a.N, Status: 200}
		}
		if diff := cmp.Diff(want, *a); diff != "" {
			t.Error(diff)
		}
		if a.Acknowledged() != (a.Outcome.Status == 200) {
			t.Error("acknowledged:", a.Acknowledged())
		}
	}
}

func TestATornEndIsLeftOutAndDamageIsNot(t *testing.T) {
	t.Parallel()
	content := written(t)
	last := bytes.LastIndexByte(content[:len(content)-1], '\n') + 1
	whole, err := fire.ReadJournal(bytes.NewReader(content[:last]))
	if err != nil {
		t.Fatal(err)
	}
	for cut := last; cut < len(content); cut++ {
		torn, err := fire.ReadJournal(bytes.NewReader(content[:cut]))
		if err != nil {
			t.Fatal(cut, err)
		}
		if diff := cmp.Diff(whole, torn); diff != "" {
			t.Fatal(cut, diff)
		}
	}
	damaged := bytes.Clone(content)
	damaged[12] ^= 1
	if _, err := fire.ReadJournal(bytes.NewReader(damaged)); err == nil {
		t.Error("a damaged first line was taken")
	}
	for line := range bytes.Lines(content) {
		_, err := fire.ReadJournal(bytes.NewReader(line))
		if outcome := bytes.Contains(line, []byte(`"status":200`)); outcome == (err == nil) {
			t.Errorf("alone: %s%v", line, err)
		}
	}
}
