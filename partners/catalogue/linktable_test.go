package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/partners"
	"tributary/partners/program"
)

// Whatever is set, renamed and removed, and whether or not codes have hashes of their own, a table is as a map of links.
func TestALinkTableIsAMapOfLinks(t *testing.T) {
	t.Parallel()
	hashes := map[string]func(string) uint64{
		"hashes of their own": nil,
		"one hash for all":    func(string) uint64 { return 7 },
		"few hashes":          func(code string) uint64 { return uint64(len(code) % 2) },
	}
	landing := func(p program.ProgramID) string { return fmt.Sprintf("https://shop%d.example/", p) }
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				table, want := newLinkTable(), map[program.LinkID]*partners.Link{}
				if hash != nil {
					table.hash = hash
				}
				for range rapid.IntRange(1, 30).Draw(t, "steps") {
					if rapid.IntRange(0, 9).Draw(t, "step") == 0 {
						odd := program.LinkID(rapid.IntRange(0, 1).Draw(t, "odd"))
						keep := func(id program.LinkID) bool { return id%2 == odd }
						maps.DeleteFunc(want, func(id program.LinkID, _ *partners.Link) bool { return !keep(id) })
						table.retain(keep)
					} else {
						batch := drawLinks(t, want, landing)
						table.set(batch, landing)
					}
					if rapid.IntRange(0, 5).Draw(t, "move") == 0 {
						table.writing.Lock()
						table.move()
						table.writing.Unlock()
					}
					compareLinks(t, table, want)
				}
			})
		})
	}
}

// drawLinks draws links whose codes nobody else has, as the database holds, and notes them in want.
func drawLinks(t *rapid.T, want map[program.LinkID]*partners.Link, landing func(program.ProgramID) string) []*partners.Link {
	batch := map[program.LinkID]*partners.Link{}
	for range rapid.IntRange(1, 5).Draw(t, "links") {
		l := &partners.Link{
			ID: program.LinkID(rapid.IntRange(1, 12).Draw(t, "id")), Merchant: 1, Program: program.ProgramID(rapid.IntRange(1, 2).Draw(t, "program")),
			Partner: program.PartnerID(rapid.IntRange(1, 1<<40).Draw(t, "partner")), Closed: rapid.Bool().Draw(t, "closed"),
			Code: rapid.SampledFrom([]string{"a", "bb", "ccc", "dddd", "e", "ff"}).Draw(t, "code"),
		}
		if l.Target = landing(l.Program); rapid.Bool().Draw(t, "own") {
			l.Target = rapid.StringN(0, 40, -1).Draw(t, "target")
		}
		for id, other := range want {
			if other.Code == l.Code && id != l.ID {
				l.Code += fmt.Sprint("-", l.ID)
			}
		}
		batch[l.ID], want[l.ID] = l, l
	}
	return slices.Collect(maps.Values(batch))
}

func compareLinks(t *rapid.T, table *linkTable, want map[program.LinkID]*partners.Link) {
	have := map[program.LinkID]*partners.Link{}
	table.each(func(l *partners.Link) { have[l.ID] = l })
	if diff := cmp.Diff(want, have); diff != "" || table.len() != len(want) {
		t.Fatalf("%d links (-want +have):\n%s", table.len(), diff)
	}
	codes := map[string]*partners.Link{}
	for id, l := range want {
		codes[l.Code] = l
		if got, found := table.get(id); !found || *got != *l {
			t.Fatalf("link %d: %+v, want %+v", id, got, l)
		}
	}
	for _, code := range []string{"a", "bb", "ccc", "dddd", "e", "ff", "a-1", "bb-2", "none"} {
		got, found := table.byCode(code)
		if l, is := codes[code]; is != found || found && *got != *l {
			t.Fatalf("code %s: %+v, want %+v", code, got, l)
		}
	}
}

// Who reads while all links move finds each of them.
func TestLinksAreFoundWhileTheyMove(t *testing.T) {
	t.Parallel()
	const n = 2000
	table := newLinkTable()
	landing := func(program.ProgramID) string { return "https://shop.example/" }
	version := func(v int) []*partners.Link {
		links := make([]*partners.Link, n)
		for i := range links {
			links[i] = &partners.Link{ID: program.LinkID(i + 1), Code: fmt.Sprintf("link-%d", i+1), Merchant: 1, Program: 1, Partner: 1, Target: fmt.Sprintf("https://shop.example/%d/%d", i+1, v)}
		}
		return links
	}
	table.set(version(0), landing)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				code := fmt.Sprintf("link-%d", i%n+1)
				l, found := table.byCode(code)
				if !found || l.Code != code || int(l.ID) != i%n+1 {
					t.Errorf("%s: %+v", code, l)
					return
				}
				if again, found := table.get(l.ID); !found || again.Code != code {
					t.Errorf("%d: %+v", l.ID, again)
					return
				}
			}
		})
	}
	for v := range 60 {
		table.set(version(v+1), landing)
	}
	close(done)
	readers.Wait()
	if len(*table.blocks.Load()) < 30 || table.dead > table.used {
		t.Errorf("%d blocks, %d of %d bytes lead nowhere: nothing has moved", len(*table.blocks.Load()), table.dead, table.used)
	}
	held := 0
	for _, b := range *table.blocks.Load() {
		held += len(b)
	}
	if held > 4<<20 {
		t.Errorf("%d bytes are held for %d links", held, n)
	}
}

// A database that was restored from a backup may have given a code to another link. Until the former one is removed both
// are there, and wherever they move meanwhile, the code stays with the newer.
func TestACodeStaysWithItsNewLink(t *testing.T) {
	t.Parallel()
	for _, hash := range []func(string) uint64{nil, func(string) uint64 { return 7 }} {
		for range 20 { // links move in no order
			table := newLinkTable()
			if hash != nil {
				table.hash = hash
			}
			landing := func(program.ProgramID) string { return "" }
			table.set([]*partners.Link{{ID: 3, Code: "other"}, {ID: 1, Code: "code"}}, landing)
			table.set([]*partners.Link{{ID: 2, Code: "code"}}, landing)
			table.writing.Lock()
			table.move()
			table.writing.Unlock()
			table.retain(func(id program.LinkID) bool { return id != 1 })
			if l, found := table.byCode("code"); !found || l.ID != 2 {
				t.Fatalf("the code leads to %+v", l)
			}
		}
	}
}
