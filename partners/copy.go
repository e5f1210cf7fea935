package partners

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/money"
)

// A copy is the catalogue in a file, so that a tracker can start while PostgreSQL is away. It is written whole, beside the
// old one, and takes its place; what it says of itself comes first, and a SHA-256 over all of it last. It holds hashes of
// keys and secrets of signers, so its owner alone may read it. The time of the file is when PostgreSQL last confirmed it.
const (
	copyMark   = "tributary catalogue, form 1\n"
	copyAccess = 0o600
	// copyEvery is the shortest time between two writings; a catalogue that has not changed is only confirmed.
	copyEvery = 30 * time.Second
)

var (
	// ErrDamaged says that a copy of the catalogue is not as it was written, or of a form that this version does not read.
	ErrDamaged = errors.New("the copy of the catalogue is damaged")
	// ErrOtherNetwork says that PostgreSQL, now that it answers, holds another network than the copy.
	ErrOtherNetwork = errors.New("the copy of the catalogue is of another network than PostgreSQL's")
)

// Copy says what a copy is of.
type Copy struct {
	// Network is the id in the setting "network".
	Network string
	// Settings are those that the tracker compares with its own: partitions, and the fingerprints of click keys.
	Settings map[string]string
	// Confirmed is when PostgreSQL last had the same.
	Confirmed time.Time
}

// KeepAt makes Run keep a copy in a file. Call it before Run.
func (c *Catalogue) KeepAt(file string) *Catalogue {
	c.file = file
	return c
}

// LoadCopy fills an empty catalogue from a file that KeepAt has made some other time. It answers ErrDamaged, or an
// os.ErrNotExist. Version stays 0 until PostgreSQL answers Run: then everything is read anew, and what only the copy holds
// is dropped.
func (c *Catalogue) LoadCopy(file string) (*Copy, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("opening the copy of the catalogue: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("opening the copy of the catalogue: others than its owner may use %s; delete it, or chmod 600 if nobody has", file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the copy of the catalogue: %w", err)
	}
	body := len(content) - sha256.Size
	if body < len(copyMark) || !bytes.HasPrefix(content, []byte(copyMark)) {
		return nil, fmt.Errorf("%w: %s is no copy that this version reads", ErrDamaged, file)
	}
	if sum := sha256.Sum256(content[:body]); !bytes.Equal(sum[:], content[body:]) {
		return nil, fmt.Errorf("%w: the checksum of %s is wrong", ErrDamaged, file)
	}
	r := &copyReader{rest: string(content[len(copyMark):body])}
	cp, ch := r.header(), r.changes()
	if r.broken || r.rest != "" {
		return nil, fmt.Errorf("%w: %s has the right checksum and another form", ErrDamaged, file)
	}
	cp.Confirmed = info.ModTime()
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	c.links.reserve(len(ch.links))
	c.byCode.reserve(len(ch.links))
	c.partners.reserve(len(ch.partners))
	c.apply(ch)
	c.copied = cp
	c.looked.Store(cp.Confirmed.UnixNano())
	return cp, nil
}

// readCopy reads from PostgreSQL what a copy says of itself.
func readCopy(ctx context.Context, q Querier) (*Copy, error) {
	cp := &Copy{Settings: map[string]string{}}
	// name: settings of a copy
	rows, err := q.Query(ctx, `SELECT name, value FROM setting WHERE name IN ('network', 'partitions') OR name LIKE 'click\_key\_%'`)
	if err != nil {
		return nil, fmt.Errorf("reading the settings of a copy: %w", err)
	}
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error { cp.Settings[name] = value; return nil }); err != nil {
		return nil, fmt.Errorf("reading the settings of a copy: %w", err)
	}
	cp.Network = cp.Settings["network"]
	delete(cp.Settings, "network")
	return cp, nil
}

// belongs compares the copy with the PostgreSQL that answers.
func (cp *Copy) belongs(ctx context.Context, q Querier) error {
	live, err := readCopy(ctx, q)
	if err != nil {
		return err
	}
	if live.Network != cp.Network {
		return fmt.Errorf("%w: %s, and %s", ErrOtherNetwork, cp.Network, live.Network)
	}
	return nil
}

// keeper writes the copy for Run.
type keeper struct {
	version   int64
	last      time.Time
	complains bool
}

// look writes the copy when the catalogue has changed since, and otherwise confirms it. Trouble with the disk is logged
// once and looked past: the copy stays as it was.
func (k *keeper) look(ctx context.Context, c *Catalogue, now time.Time) {
	if now.Sub(k.last) < copyEvery {
		return
	}
	k.last = now
	var err error
	if version := c.Version(); version != k.version {
		if err = c.writeCopy(ctx, c.file); err == nil {
			k.version = version
		}
	} else {
		err = os.Chtimes(c.file, now, c.LastLook())
	}
	if err != nil && ctx.Err() == nil && !k.complains {
		c.log.Error("the copy of the catalogue cannot be kept: without it this tracker does not start while PostgreSQL is away", "error", err)
	}
	k.complains = err != nil
	if err != nil {
		k.version = 0 // write it whole next time
	}
}

// writeCopy writes everything that the catalogue holds, and takes the place of the file when it is durable.
func (c *Catalogue) writeCopy(ctx context.Context, file string) error {
	cp, err := readCopy(ctx, c.db)
	if err != nil {
		return err
	}
	return c.writeAs(cp, file)
}

func (c *Catalogue) writeAs(cp *Copy, file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // made with mode 600
	if err != nil {
		return fmt.Errorf("making the copy of the catalogue: %w", err)
	}
	c.refreshing.Lock() // nothing is applied meanwhile, so the copy is of one moment
	looked := c.LastLook()
	w := &copyWriter{sum: sha256.New()}
	w.out = bufio.NewWriterSize(io.MultiWriter(f, w.sum), 1<<18)
	w.catalogue(c, cp)
	c.refreshing.Unlock()
	err = w.out.Flush()
	if err == nil {
		_, err = f.Write(w.sum.Sum(nil))
	}
	err = errors.Join(err, f.Chmod(copyAccess), f.Sync(), f.Close(), os.Chtimes(f.Name(), looked, looked))
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the copy of the catalogue: %w", err), os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(file))
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening a folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}

// copyWriter writes numbers as varints, and texts and lists behind their length.
type copyWriter struct {
	out     *bufio.Writer
	sum     hash.Hash
	scratch [binary.MaxVarintLen64]byte
}

func (w *copyWriter) number(n int64) {
	_, _ = w.out.Write(w.scratch[:binary.PutVarint(w.scratch[:], n)]) // Flush tells of what goes wrong
}

func (w *copyWriter) text(s string) {
	w.number(int64(len(s)))
	_, _ = w.out.WriteString(s)
}

func (w *copyWriter) texts(all []string) {
	w.number(int64(len(all)))
	for _, s := range all {
		w.text(s)
	}
}

// catalogue writes the parents before the children, as they are to be read.
func (w *copyWriter) catalogue(c *Catalogue, cp *Copy) {
	_, _ = w.out.WriteString(copyMark)
	w.text(cp.Network)
	w.number(int64(len(cp.Settings)))
	for name, value := range cp.Settings {
		w.text(name)
		w.text(value)
	}
	w.number(int64(c.merchants.len()))
	c.merchants.each(func(id MerchantID, m *Merchant) { w.number(int64(id)); w.text(m.Name) })
	w.number(int64(c.programs.len()))
	c.programs.each(func(_ ProgramID, p *Program) { w.program(p) })
	w.number(int64(c.partners.len()))
	c.partners.each(func(id PartnerID, p *Partner) {
		w.number(int64(id))
		w.texts([]string{string(p.Kind), p.Name, p.SiteURL})
	})
	w.number(int64(c.links.len()))
	c.links.each(func(_ LinkID, l *Link) { w.link(l, c.landingOf(l.Program)) })
	w.number(int64(c.keys.len()))
	c.keys.each(func(sum [32]byte, owner MerchantID) { w.text(string(sum[:])); w.number(int64(owner)) })
	w.number(int64(c.signers.len()))
	c.signers.each(func(id KeyID, s Signer) {
		w.number(int64(id))
		w.number(int64(s.Merchant))
		w.text(string(s.Secret[:]))
	})
}

func (w *copyWriter) program(p *Program) {
	w.number(int64(p.ID))
	w.number(int64(p.Merchant))
	w.texts([]string{p.Name, p.LandingURL, p.ClickParam})
	w.texts(p.Domains)
	w.texts(p.Currencies)
	w.number(p.CreatedAt.UnixMicro())
	w.number(int64(len(p.Terms)))
	for _, t := range p.Terms {
		w.number(int64(t.Version))
		w.number(t.EffectiveFrom.UnixMicro())
		w.number(int64(t.Window))
		w.number(int64(t.Hold))
		w.number(int64(t.NetworkFee))
		w.number(int64(len(t.Rates)))
		for kind, rates := range t.Rates {
			w.text(string(kind))
			w.number(int64(len(rates)))
			for category, rate := range rates {
				w.text(category)
				w.number(int64(rate))
			}
		}
	}
}

// link writes a target that is the landing page, as most are, as nothing.
func (w *copyWriter) link(l *Link, landing string) {
	w.number(int64(l.ID))
	w.number(int64(l.Program))
	w.number(int64(l.Partner))
	closed := int64(0)
	if l.Closed {
		closed = 1
	}
	w.number(closed)
	w.text(l.Code)
	target := l.Target
	if target == landing {
		target = ""
	}
	w.text(target)
}

// copyReader reads what a copyWriter wrote. Texts are pieces of one string, so a link takes no memory beside it. What is
// not as it should be makes it broken, and everything after that zero.
type copyReader struct {
	rest   string
	broken bool
}

func (r *copyReader) number() int64 {
	n, size := binary.Varint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 {
		r.broken, r.rest = true, ""
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count is a number of things that are still to come, each of a byte at least.
func (r *copyReader) count() int {
	n := r.number()
	if n < 0 || n > int64(len(r.rest)) {
		r.broken, r.rest = true, ""
		return 0
	}
	return int(n)
}

func (r *copyReader) text() string {
	n := r.count()
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

func (r *copyReader) texts() []string {
	all := make([]string, r.count())
	for i := range all {
		all[i] = r.text()
	}
	return all
}

// secret reads 32 bytes.
func (r *copyReader) secret() (sum [32]byte) {
	r.broken = copy(sum[:], r.text()) != len(sum) || r.broken
	return sum
}

func (r *copyReader) header() *Copy {
	cp := &Copy{Network: r.text(), Settings: map[string]string{}}
	for range r.count() {
		name := r.text()
		cp.Settings[name] = r.text()
	}
	return cp
}

func (r *copyReader) changes() *changes {
	ch := &changes{}
	for range r.count() {
		ch.merchants = append(ch.merchants, &Merchant{ID: MerchantID(r.number()), Name: r.text()})
	}
	programs := map[ProgramID]*Program{}
	for range r.count() {
		p := r.program()
		programs[p.ID] = p
		ch.programs = append(ch.programs, p)
	}
	for range r.count() {
		p := &Partner{ID: PartnerID(r.number())}
		if texts := r.texts(); len(texts) == 3 {
			p.Kind, p.Name, p.SiteURL = Kind(texts[0]), texts[1], texts[2]
		}
		ch.partners = append(ch.partners, p)
	}
	ch.links = make([]*Link, r.count())
	for i := range ch.links {
		l := &Link{ID: LinkID(r.number()), Program: ProgramID(r.number()), Partner: PartnerID(r.number()), Closed: r.number() == 1, Code: r.text(), Target: r.text()}
		p, known := programs[l.Program]
		if !known {
			r.broken = true
			return ch
		}
		if l.Merchant = p.Merchant; l.Target == "" {
			l.Target = p.LandingURL
		}
		ch.links[i] = l
	}
	for range r.count() {
		ch.keys = append(ch.keys, keyRow{hash: r.secret(), merchant: MerchantID(r.number())})
	}
	for range r.count() {
		ch.keys = append(ch.keys, keyRow{signs: true, id: KeyID(r.number()), merchant: MerchantID(r.number()), secret: r.secret()})
	}
	return ch
}

func (r *copyReader) program() *Program {
	p := &Program{ID: ProgramID(r.number()), Merchant: MerchantID(r.number())}
	if texts := r.texts(); len(texts) == 3 {
		p.Name, p.LandingURL, p.ClickParam = texts[0], texts[1], texts[2]
	}
	p.Domains, p.Currencies = r.texts(), r.texts()
	p.CreatedAt = time.UnixMicro(r.number()).UTC()
	p.Terms = make([]Terms, r.count())
	for i := range p.Terms {
		t := &p.Terms[i]
		t.Version, t.EffectiveFrom = int(r.number()), time.UnixMicro(r.number()).UTC()
		t.Window, t.Hold, t.NetworkFee = time.Duration(r.number()), time.Duration(r.number()), money.Rate(r.number())
		t.Rates = map[Kind]map[string]money.Rate{}
		for range r.count() {
			kind := Kind(r.text())
			t.Rates[kind] = map[string]money.Rate{}
			for range r.count() {
				category := r.text()
				t.Rates[kind][category] = money.Rate(r.number())
			}
		}
	}
	return p
}
