package commission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"tributary/partners/program"
)

// An offer and a view as customer_seen keeps them: the bytes that encoding/json would write. They are written and read by hand since
// every order that names a customer passes here.

// AppendJSON appends the offer.
func (o *Offer) AppendJSON(dst []byte) []byte {
	dst = appendNumber(dst, `{"program":`, int64(o.Program))
	dst = appendNumber(dst, `,"partner":`, int64(o.Partner))
	dst = optNumber(dst, `,"link":`, int64(o.Link))
	dst = optNumber(dst, `,"months":`, int64(o.Months))
	if o.OnlyNew {
		dst = append(dst, `,"only_new":true`...)
	}
	return append(dst, '}')
}

// AppendJSON appends the view.
func (v *View) AppendJSON(dst []byte) []byte {
	dst = appendNumber(dst, `{"nth":`, int64(v.Nth))
	dst = v.Bound.appendJSON(dst, `,"bound":`)
	if v.Ended {
		dst = append(dst, `,"ended":true`...)
	}
	return append(v.Begins.appendJSON(dst, `,"begins":`), '}')
}

func (b *Binding) appendJSON(dst []byte, name string) []byte {
	if b == nil {
		return dst
	}
	dst = appendNumber(append(dst, name...), `{"program":`, int64(b.Program))
	dst = appendNumber(dst, `,"partner":`, int64(b.Partner))
	dst = optNumber(dst, `,"link":`, int64(b.Link))
	dst = appendTime(dst, `,"since":`, b.Since)
	return append(optTime(dst, `,"until":`, b.Until), '}')
}

// ReadOffer reads an offer.
func ReadOffer(data []byte) (*Offer, error) {
	p := plainJSON{rest: data}
	var o Offer
	o.Program = program.ProgramID(p.number(`{"program":`))
	o.Partner = program.PartnerID(p.number(`,"partner":`))
	o.Link = program.LinkID(p.optNumber(`,"link":`))
	o.Months = int(p.optNumber(`,"months":`))
	o.OnlyNew = p.skip(`,"only_new":true`)
	if p.ends() {
		return &o, nil
	}
	o = Offer{}
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, fmt.Errorf("reading whom an order binds its customer to: %w", err)
	}
	return &o, nil
}

// ReadView reads a view.
func ReadView(data []byte) (View, error) {
	p := plainJSON{rest: data}
	v := View{Nth: int(p.number(`{"nth":`))}
	v.Bound = p.binding(`,"bound":`)
	v.Ended = p.skip(`,"ended":true`)
	v.Begins = p.binding(`,"begins":`)
	if p.ends() {
		return v, nil
	}
	v = View{}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("reading how a customer stood: %w", err)
	}
	return v, nil
}

// plainJSON reads what AppendJSON wrote, and finds everything else strange.
type plainJSON struct {
	rest    []byte
	strange bool
}

// skip passes over a text, and reports whether it comes next.
func (p *plainJSON) skip(text string) bool {
	rest, found := bytes.CutPrefix(p.rest, []byte(text))
	p.rest = rest
	return found
}

func (p *plainJSON) expect(text string) {
	if !p.skip(text) {
		p.strange = true
	}
}

// ends reports whether all was as expected, up to the last brace.
func (p *plainJSON) ends() bool {
	p.expect("}")
	return !p.strange && len(p.rest) == 0
}

// number reads a number of up to 18 digits behind its name.
func (p *plainJSON) number(name string) (n int64) {
	p.expect(name)
	digits := 0
	for digits < len(p.rest) && '0' <= p.rest[digits] && p.rest[digits] <= '9' {
		n = 10*n + int64(p.rest[digits]-'0')
		digits++
	}
	p.strange = p.strange || digits == 0 || digits > 18 || digits > 1 && p.rest[0] == '0'
	p.rest = p.rest[digits:]
	return n
}

func (p *plainJSON) optNumber(name string) int64 {
	if !bytes.HasPrefix(p.rest, []byte(name)) {
		return 0
	}
	return p.number(name)
}

func (p *plainJSON) time() time.Time {
	text, rest, found := bytes.Cut(p.rest, []byte(`"`))
	t, err := time.Parse(time.RFC3339Nano, string(text))
	p.rest, p.strange = rest, p.strange || !found || err != nil
	return t
}

// binding reads one behind its name, nil where that does not come.
func (p *plainJSON) binding(name string) *Binding {
	if !p.skip(name) {
		return nil
	}
	var b Binding
	b.Program = program.ProgramID(p.number(`{"program":`))
	b.Partner = program.PartnerID(p.number(`,"partner":`))
	b.Link = program.LinkID(p.optNumber(`,"link":`))
	p.expect(`,"since":"`)
	b.Since = p.time()
	if p.skip(`,"until":"`) {
		b.Until = p.time()
	}
	p.expect("}")
	return &b
}
