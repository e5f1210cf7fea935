package catalogue

import (
	"bufio"
	"encoding/binary"
	"hash"
	"time"

	"tributary/partners"
	"tributary/partners/program"
)

// copyWriter writes numbers as varints, and texts and lists behind their length.
type copyWriter struct {
	out     *bufio.Writer
	sum     hash.Hash
	scratch [binary.MaxVarintLen64]byte
}

func (w *copyWriter) number(n int64) {
	_, _ = w.out.Write(w.scratch[:binary.PutVarint(w.scratch[:], n)]) // Flush tells of what goes wrong
}

func (w *copyWriter) flag(set bool) {
	n := int64(0)
	if set {
		n = 1
	}
	w.number(n)
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
	c.merchants.each(func(id program.MerchantID, m *partners.Merchant) { w.number(int64(id)); w.text(m.Name) })
	w.number(int64(c.programs.len()))
	c.programs.each(func(_ program.ProgramID, p *Listing) { w.program(p) })
	w.number(int64(c.partners.len()))
	c.partners.each(func(id program.PartnerID, p *partners.Partner) {
		w.number(int64(id))
		w.texts([]string{string(p.Kind), p.Name, p.SiteURL})
	})
	w.number(int64(c.links.len()))
	c.links.each(func(l *partners.Link) { w.link(l, c.landingOf(l.Program)) })
	w.number(int64(c.keys.len()))
	c.keys.each(func(sum [32]byte, k partners.Key) {
		w.text(string(sum[:]))
		w.key(k)
	})
	w.number(int64(c.signers.len()))
	c.signers.each(func(_ program.KeyID, s partners.Signer) {
		w.text(string(s.Secret[:]))
		w.key(s.Key)
	})
	w.states(*c.states.Load())
}

func (w *copyWriter) key(k partners.Key) {
	w.number(int64(k.ID))
	w.number(int64(k.Merchant))
	w.number(int64(k.Scopes))
}

func (w *copyWriter) program(p *Listing) {
	w.number(int64(p.ID))
	w.number(int64(p.Merchant))
	w.text(p.LandingURL)
	w.text(p.ClickParam)
	w.texts(p.Currencies)
	w.number(p.Since.UnixMicro())
	w.number(int64(p.Window))
	w.texts(p.Categories)
	w.flag(p.AnyCategory)
	w.number(int64(len(p.PathTurns)))
	for _, turn := range p.PathTurns {
		w.number(turn.UnixMicro())
	}
	w.texts(p.Domains)
}

// link writes a target that is the landing page, as most are, as nothing.
func (w *copyWriter) link(l *partners.Link, landing string) {
	w.number(int64(l.ID))
	w.number(int64(l.Program))
	w.number(int64(l.Partner))
	w.flag(l.Closed)
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
	form   int // 3 was written before there were paths, 4 before there were states of enrolments, 5 before there were domains
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

func (r *copyReader) flag() bool { return r.number() == 1 }

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

func (r *copyReader) key() partners.Key {
	return partners.Key{ID: program.KeyID(r.number()), Merchant: program.MerchantID(r.number()), Scopes: partners.Scope(r.number()) & partners.AllScopes}
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
		ch.merchants = append(ch.merchants, &partners.Merchant{ID: program.MerchantID(r.number()), Name: r.text()})
	}
	programs := map[program.ProgramID]*Listing{}
	for range r.count() {
		p := r.program()
		programs[p.ID] = p
		ch.programs = append(ch.programs, p)
	}
	for range r.count() {
		p := &partners.Partner{ID: program.PartnerID(r.number())}
		if texts := r.texts(); len(texts) == 3 {
			p.Kind, p.Name, p.SiteURL = program.Kind(texts[0]), texts[1], texts[2]
		}
		ch.partners = append(ch.partners, p)
	}
	ch.links = make([]*partners.Link, r.count())
	for i := range ch.links {
		l := &partners.Link{ID: program.LinkID(r.number()), Program: program.ProgramID(r.number()), Partner: program.PartnerID(r.number()), Closed: r.flag(), Code: r.text(), Target: r.text()}
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
		ch.keys = append(ch.keys, keyRow{hash: r.secret(), Key: r.key()})
	}
	for range r.count() {
		ch.keys = append(ch.keys, keyRow{signs: true, secret: r.secret(), Key: r.key()})
	}
	if r.form >= 5 {
		ch.states = r.states()
	}
	return ch
}

func (r *copyReader) program() *Listing {
	p := &Listing{ID: program.ProgramID(r.number()), Merchant: program.MerchantID(r.number())}
	p.LandingURL, p.ClickParam, p.Currencies = r.text(), r.text(), r.texts()
	p.Since, p.Window = time.UnixMicro(r.number()).UTC(), time.Duration(r.number())
	p.Categories, p.AnyCategory = r.texts(), r.flag()
	if r.form < 4 {
		return p
	}
	for range r.count() {
		p.PathTurns = append(p.PathTurns, time.UnixMicro(r.number()).UTC())
	}
	if r.form > 5 {
		p.Domains = r.texts()
	}
	return p
}
