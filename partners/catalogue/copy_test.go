package catalogue

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

// contents gives everything that a catalogue holds.
func contents(c *Catalogue) map[string]any {
	all := map[string]any{}
	put(all, "merchant", c.merchants)
	put(all, "program", c.programs)
	put(all, "partner", c.partners)
	links, codes := map[program.LinkID]*partners.Link{}, map[string]program.LinkID{}
	c.links.each(func(l *partners.Link) {
		links[l.ID] = l
		if found, ok := c.LinkByCode(l.Code); ok {
			codes[l.Code] = found.ID
		}
	})
	all["link"], all["code"] = links, codes
	put(all, "key", c.keys)
	put(all, "signer", c.signers)
	currencies := map[program.MerchantID][]string{}
	c.merchants.each(func(id program.MerchantID, _ *partners.Merchant) { currencies[id] = c.CurrenciesOf(id) })
	all["currencies"] = currencies
	all["states"] = fmt.Sprint(*c.states.Load())
	return all
}

func put[K comparable, V any](all map[string]any, name string, t *table[K, V]) {
	entries := map[K]V{}
	t.each(func(key K, value V) { entries[key] = value })
	all[name] = entries
}

// world is a network of two shops with links, keys and a signer.
type world struct {
	db     *pgxpool.Pool
	mine   shop
	open   *partners.Link
	key    string
	keyID  program.KeyID
	signer program.KeyID
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{db: engines.Postgres(t)}
	w.mine = newShop(t, w.db)
	theirs := newShop(t, w.db)
	ctx := t.Context()
	var err error
	w.open, err = partners.CreateLink(ctx, w.db, partners.NewLink{Program: w.mine.program, Partner: w.mine.partner, Target: "https://shop.example/boots"})
	must(t, err)
	closed, err := partners.CreateLink(ctx, w.db, partners.NewLink{Program: theirs.program, Partner: theirs.partner})
	must(t, err)
	_, err = w.db.Exec(ctx, `UPDATE link SET closed_at = now() WHERE id = $1`, closed.ID)
	must(t, err)
	w.key, w.keyID, err = partners.IssueKey(ctx, w.db, w.mine.merchant, "server", partners.ScopeOrders)
	must(t, err)
	must(t, postgres.InTx(ctx, w.db, func(tx pgx.Tx) (err error) {
		_, w.signer, err = partners.IssueSigner(ctx, tx, w.mine.merchant, "signing server", partners.ScopeRefunds)
		return err
	}))
	return w
}

// copyOf writes a copy of what a catalogue of the database holds now.
func copyOf(t *testing.T, db *pgxpool.Pool) (live *Catalogue, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "catalogue")
	live = New(db, slog.New(slog.DiscardHandler)).WithSigners().KeepAt(file)
	must(t, live.Load(t.Context()))
	must(t, live.writeCopy(t.Context(), file))
	return live, file
}

// away is a catalogue whose PostgreSQL does not answer.
func away(t *testing.T) *Catalogue {
	t.Helper()
	gone, err := postgres.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none", postgres.Tracker, 1)
	must(t, err)
	t.Cleanup(gone.Close)
	return New(gone, slog.New(slog.DiscardHandler)).WithSigners()
}

func TestACopyHoldsWhatTheCatalogueHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.db.Exec(t.Context(), `INSERT INTO setting VALUES ('partitions', '3'), ('click_key_1', 'abc')`)
	must(t, err)
	stateOf(t, w.db, w.mine, program.Paused, time.Hour)
	must(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		_, err := partners.AddTerms(t.Context(), tx, w.mine.program, program.Version{EffectiveFrom: time.Now().Add(time.Hour), Document: shopProgram(w.mine.merchant).Terms[0].Document})
		if err == nil {
			_, err = tx.Exec(t.Context(), `UPDATE terms SET document = jsonb_set(document, '{attribution,path}', 'true') WHERE version = 2`)
		}
		return err
	}))
	live, file := copyOf(t, w.db)
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v", info.Mode())
	}
	c := away(t)
	cp, err := c.LoadCopy(file)
	must(t, err)
	if diff := cmp.Diff(contents(live), contents(c)); diff != "" {
		t.Errorf("from the copy (-live +copy):\n%s", diff)
	}
	if c.InProgram(w.mine.program, w.mine.partner, time.Now().Add(2*time.Hour)) || !c.InProgram(w.mine.program, w.mine.partner, time.Now()) {
		t.Error("the copy does not know of the pause")
	}
	if diff := cmp.Diff(map[string]string{"partitions": "3", "click_key_1": "abc"}, cp.Settings); diff != "" || cp.Network == "" {
		t.Errorf("network %q, settings (-want +got):\n%s", cp.Network, diff)
	}
	if late := live.LastLook().Sub(cp.Confirmed).Abs(); late > time.Second || !c.LastLook().Equal(cp.Confirmed) || c.Version() != 0 {
		t.Errorf("confirmed at %s and last looked at %s, the copied one at %s", cp.Confirmed, c.LastLook(), live.LastLook())
	}
}

// A tracker that was upgraded while PostgreSQL is down starts with the copy that the version before has left.
func TestACopyOfTheFormBeforeIsRead(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"form-3", "form-4", "form-5"} {
		kept, err := os.ReadFile("testdata/" + form + ".catalogue")
		must(t, err)
		file := filepath.Join(t.TempDir(), "catalogue")
		must(t, os.WriteFile(file, kept, 0o600))
		c := away(t)
		_, err = c.LoadCopy(file)
		must(t, err)
		l, found := c.LinkByCode("nvjg7p6f")
		if !found || l.Target != "https://shop.example/boots" || c.Links() != 2 || c.signers.len() != 1 {
			t.Fatalf("%s: %d links, among them %+v, and %d signers", form, c.Links(), l, c.signers.len())
		}
		if p, ok := c.Program(l.Program); !ok || p.Window != 30*24*time.Hour || p.Path(time.Now()) || len(p.Domains) > 0 {
			t.Errorf("%s: program %+v", form, p)
		}
	}
}

func TestACatalogueGoesOverFromItsCopyToTheLiveOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	_, file := copyOf(t, w.db)
	c := New(w.db, slog.New(slog.DiscardHandler)).WithSigners()
	_, err := c.LoadCopy(file)
	must(t, err)
	// Meanwhile: one link gone as if never made, one new, one closed, and both keys ended.
	dropped, err := partners.CreateLink(ctx, w.db, partners.NewLink{Program: w.mine.program, Partner: w.mine.partner})
	must(t, err)
	_, file = copyOf(t, w.db)
	_, err = c.LoadCopy(file)
	must(t, err)
	_, err = w.db.Exec(ctx, `DELETE FROM link WHERE id = $1`, dropped.ID)
	must(t, err)
	_, err = w.db.Exec(ctx, `DELETE FROM api_key WHERE id = $1`, w.keyID)
	must(t, err)
	must(t, partners.RevokeKey(ctx, w.db, w.mine.merchant, w.signer))
	_, err = w.db.Exec(ctx, `UPDATE link SET closed_at = now() WHERE id = $1`, w.open.ID)
	must(t, err)
	_, err = partners.CreateLink(ctx, w.db, partners.NewLink{Program: w.mine.program, Partner: w.mine.partner, Code: "brand-new"})
	must(t, err)

	if _, ok := c.LinkByCode(dropped.Code); !ok {
		t.Error("the copy does not hold the link")
	}
	refresh(t, c)
	fresh := New(w.db, slog.New(slog.DiscardHandler)).WithSigners()
	must(t, fresh.Load(ctx))
	if diff := cmp.Diff(contents(fresh), contents(c)); diff != "" {
		t.Errorf("gone over (-fresh +gone over):\n%s", diff)
	}
	if c.Version() != fresh.Version() {
		t.Errorf("version %d, want %d", c.Version(), fresh.Version())
	}
}

// A database that was restored to an earlier time numbers transactions and versions again from there.
func TestACatalogueFollowsARestoredDatabase(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]int64{"to fewer changes": 5, "and has had more changes since": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			followsRestored(t, ahead)
		})
	}
}

// followsRestored follows a database whose version was higher by so many before, and whose transactions had higher numbers.
func followsRestored(t *testing.T, ahead int64) {
	t.Helper()
	w := newWorld(t)
	c := New(w.db, slog.New(slog.DiscardHandler)).WithSigners()
	must(t, c.Load(t.Context()))
	c.version.Add(ahead)
	c.mark += 1000
	c.keys.set([32]byte{1}, partners.Key{Merchant: w.mine.merchant}) // issued after the time to which it was restored
	_, reused, err := partners.IssueKey(t.Context(), w.db, w.mine.merchant, "server", partners.Reporting)
	must(t, err)
	c.signers.set(reused, partners.Signer{Key: partners.Key{Merchant: w.mine.merchant}}) // as this one was, whose number was given again
	must(t, partners.RevokeKey(t.Context(), w.db, w.mine.merchant, w.keyID))
	refresh(t, c)
	fresh := New(w.db, slog.New(slog.DiscardHandler)).WithSigners()
	must(t, fresh.Load(t.Context()))
	if diff := cmp.Diff(contents(fresh), contents(c)); diff != "" {
		t.Errorf("after the refresh (-fresh +followed):\n%s", diff)
	}
}

func TestACopyOfAnotherNetworkEndsTheCatalogue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, file := copyOf(t, w.db)
	_, err := w.db.Exec(t.Context(), `UPDATE setting SET value = 'another' WHERE name = 'network'`)
	must(t, err)
	c := New(w.db, slog.New(slog.DiscardHandler))
	_, err = c.LoadCopy(file)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Run(ctx); !errors.Is(err, ErrOtherNetwork) {
		t.Errorf("Run ended with %v", err)
	}
}

func TestADamagedCopyIsRefused(t *testing.T) {
	t.Parallel()
	_, file := copyOf(t, newWorld(t).db)
	whole, err := os.ReadFile(file)
	must(t, err)
	refused := func(what string, content []byte) {
		must(t, os.WriteFile(file, content, 0o600))
		c := New(nil, slog.New(slog.DiscardHandler))
		if _, err := c.LoadCopy(file); !errors.Is(err, ErrDamaged) || c.Links() != 0 {
			t.Fatalf("%s: %v, %d links", what, err, c.Links())
		}
	}
	for i := range whole {
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 1 << (i % 8)
		refused("a bit flipped", flipped)
	}
	for n := 0; n < len(whole); n += 7 {
		refused("cut short", whole[:n])
	}
	refused("longer", append(append([]byte(nil), whole...), 0))
	must(t, os.WriteFile(file, whole, 0o600))
	must(t, os.Chmod(file, 0o644))
	if _, err := away(t).LoadCopy(file); err == nil {
		t.Error("a copy that others may read was taken")
	}
	if _, err := away(t).LoadCopy(file + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// FuzzCopy holds that no content behind a right checksum makes the reader fail or fill memory.
func FuzzCopy(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x02n\x02\x02a\x02b\x02\x02\x04m"))
	f.Fuzz(func(t *testing.T, body []byte) {
		file := filepath.Join(t.TempDir(), "copy")
		content := append([]byte(copyMark), body...)
		sum := sha256.Sum256(content)
		must(t, os.WriteFile(file, append(content, sum[:]...), 0o600))
		c := New(nil, slog.New(slog.DiscardHandler))
		if _, err := c.LoadCopy(file); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	})
}

func TestRunKeepsTheCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "catalogue")
	c := New(w.db, slog.New(slog.DiscardHandler)).WithSigners().KeepAt(file)
	must(t, c.Load(ctx))
	var k keeper
	now := time.Now()
	k.look(ctx, c, now)
	first, err := os.ReadFile(file)
	must(t, err)
	_, err = partners.CreateLink(ctx, w.db, partners.NewLink{Program: w.mine.program, Partner: w.mine.partner})
	must(t, err)
	refresh(t, c)
	k.look(ctx, c, now.Add(copyEvery-time.Second))
	if soon, _ := os.ReadFile(file); string(soon) != string(first) {
		t.Error("it was written twice within the shortest time")
	}
	k.look(ctx, c, now.Add(copyEvery))
	second, _ := os.ReadFile(file)
	if string(second) == string(first) {
		t.Error("a change is not in the copy")
	}
	must(t, os.Chtimes(file, longAgo, longAgo))
	k.look(ctx, c, now.Add(2*copyEvery))
	info, err := os.Stat(file)
	must(t, err)
	if info.ModTime().Before(now.Add(-time.Hour)) {
		t.Errorf("an unchanged copy was confirmed at %s", info.ModTime())
	}
	must(t, os.Remove(file)) // whoever deletes it gets it back
	k.look(ctx, c, now.Add(3*copyEvery))
	k.look(ctx, c, now.Add(4*copyEvery))
	if _, err := away(t).LoadCopy(file); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("%d files are left, want the copy alone", len(left))
	}
}
