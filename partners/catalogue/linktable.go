package catalogue

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"tributary/partners"
	"tributary/partners/program"
)

// linkTable holds links for many readers beside one writer. They lie packed one behind the other in large blocks, found
// by tables of numbers, so that the garbage collector has nothing to look through: a million links as objects with texts
// of their own took a fifth of a tracker's processor. A Link is built each time one is asked for.
type linkTable struct {
	hash    func(code string) uint64
	ids     *table[program.LinkID, place]
	codes   *table[uint64, place] // by the hash of the code
	doubles *table[string, place] // of codes whose hash another one has
	pages   atomic.Pointer[[]string]
	blocks  atomic.Pointer[[][]byte] // nil in the place of those whose links have moved on

	writing    sync.Mutex
	numbers    map[string]uint64 // of the pages, from 1
	free       int               // where the last block has room
	used, dead int               // bytes of rows in all blocks, and of those that nothing leads to
	packed     []byte
}

// place is where a row begins: the number of its block, then 32 bits of offset in it.
type place uint64

// blockBytes is the size of a block. A longer row has one of its own.
const blockBytes = 256 << 10

func newLinkTable() *linkTable {
	seed := maphash.MakeSeed()
	t := &linkTable{
		hash: func(code string) uint64 { return maphash.String(seed, code) },
		ids:  newTable[program.LinkID, place](), codes: newTable[uint64, place](), doubles: newTable[string, place](),
		numbers: map[string]uint64{},
	}
	t.blocks.Store(&[][]byte{})
	t.pages.Store(&[]string{})
	return t
}

// row is a link as it is packed. Most links lead to the landing page of their program, of which page is the number;
// others have 0 there and their target behind the code.
type row struct {
	id, merchant, program, partner uint64
	closed, page                   uint64
	code, target                   []byte
}

func (r *row) append(dst []byte) []byte {
	for _, n := range [...]uint64{r.id, r.merchant, r.program, r.partner, r.closed, r.page} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, text := range [...][]byte{r.code, r.target} {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

// read reads the row at the start of src and gives its length.
func (r *row) read(src []byte) int {
	at := 0
	number := func() uint64 {
		n, size := binary.Uvarint(src[at:])
		at += size
		return n
	}
	text := func() []byte {
		size := int(number())
		at += size
		return src[at-size : at]
	}
	r.id, r.merchant, r.program, r.partner, r.closed, r.page = number(), number(), number(), number(), number(), number()
	r.code, r.target = text(), text()
	return at
}

// read reads the row at a place and gives its length, 0 when it has moved on.
func (t *linkTable) read(at place, r *row) int {
	block := (*t.blocks.Load())[at>>32]
	if block == nil {
		return 0
	}
	return r.read(block[uint32(at):])
}

// link unpacks a row, of which the code is known as a text.
func (t *linkTable) link(r *row, code string) *partners.Link {
	l := &partners.Link{
		ID: program.LinkID(r.id), Merchant: program.MerchantID(r.merchant), Program: program.ProgramID(r.program), Partner: program.PartnerID(r.partner),
		Closed: r.closed == 1, Code: code,
	}
	if r.page > 0 {
		l.Target = (*t.pages.Load())[r.page-1]
	} else {
		l.Target = string(r.target)
	}
	return l
}

func (t *linkTable) len() int { return t.ids.len() }

// reserve makes room for n links in the tables.
func (t *linkTable) reserve(n int) {
	t.ids.reserve(n)
	t.codes.reserve(n)
}

// get finds a link by its id.
func (t *linkTable) get(id program.LinkID) (*partners.Link, bool) {
	var r row
	for {
		at, found := t.ids.get(id)
		if !found {
			return nil, false
		}
		if t.read(at, &r) > 0 {
			return t.link(&r, string(r.code)), true
		}
	}
}

// byCode finds a link by its code.
func (t *linkTable) byCode(code string) (*partners.Link, bool) {
	var r row
	hash := t.hash(code)
	for {
		at, found := t.codes.get(hash)
		moved := found && t.read(at, &r) == 0
		if !moved && (!found || string(r.code) != code) {
			if at, found = t.doubles.get(code); !found {
				return nil, false
			}
			moved = t.read(at, &r) == 0
		}
		if !moved {
			return t.link(&r, code), true
		}
	}
}

// each calls f for every link, in no order, while nobody writes.
func (t *linkTable) each(f func(*partners.Link)) {
	t.writing.Lock()
	defer t.writing.Unlock()
	var r row
	t.ids.each(func(_ program.LinkID, at place) {
		t.read(at, &r)
		f(t.link(&r, string(r.code)))
	})
}

// set puts links in the places of those with their ids; landing gives the landing page of a program. The ids come first,
// so that who finds a link by its code finds it by its id.
func (t *linkTable) set(links []*partners.Link, landing func(program.ProgramID) string) {
	t.writing.Lock()
	defer t.writing.Unlock()
	places := make([]place, len(links))
	for i, l := range links {
		places[i] = t.put(l, landing(l.Program))
	}
	for i, l := range links {
		t.lead(l.Code, places[i])
	}
	if t.dead > blockBytes && t.dead > t.used/2 {
		t.move()
	}
}

// put packs a link, unless it is there as it is.
func (t *linkTable) put(l *partners.Link, landing string) place {
	packed := row{
		id: uint64(l.ID), merchant: uint64(l.Merchant), program: uint64(l.Program), partner: uint64(l.Partner),
		code: []byte(l.Code), target: []byte(l.Target),
	}
	if l.Closed {
		packed.closed = 1
	}
	if l.Target == landing {
		packed.page, packed.target = t.page(landing), nil
	}
	t.packed = packed.append(t.packed[:0])
	if at, known := t.ids.get(l.ID); known {
		var old row
		size := t.read(at, &old)
		if bytes.Equal(t.packed, old.append(nil)) {
			return at
		}
		t.dead += size
		if string(old.code) != l.Code {
			t.forget(string(old.code), at)
		}
	}
	at := t.add(t.packed)
	t.ids.set(l.ID, at)
	return at
}

// page is the number of a landing page, from 1.
func (t *linkTable) page(landing string) uint64 {
	n, known := t.numbers[landing]
	if !known {
		pages := append(slices.Clip(*t.pages.Load()), landing)
		t.pages.Store(&pages)
		n = uint64(len(pages))
		t.numbers[landing] = n
	}
	return n
}

// add copies a packed row to the end of the last block.
func (t *linkTable) add(packed []byte) place {
	blocks := *t.blocks.Load()
	if len(blocks) == 0 || t.free+len(packed) > len(blocks[len(blocks)-1]) {
		blocks = append(slices.Clip(blocks), make([]byte, max(blockBytes, len(packed))))
		t.blocks.Store(&blocks)
		t.free = 0
	}
	at := place(len(blocks)-1)<<32 | place(t.free)
	copy(blocks[len(blocks)-1][t.free:], packed)
	t.free += len(packed)
	t.used += len(packed)
	return at
}

// lead has a code lead to a place.
func (t *linkTable) lead(code string, at place) {
	hash := t.hash(code)
	var r row
	if other, taken := t.codes.get(hash); taken {
		if t.read(other, &r); string(r.code) != code {
			t.doubles.set(code, at)
			return
		}
	}
	t.codes.set(hash, at)
	t.doubles.remove(code)
}

// forget has a code lead nowhere, if it leads to the place.
func (t *linkTable) forget(code string, at place) {
	hash := t.hash(code)
	if there, taken := t.codes.get(hash); taken && there == at {
		t.codes.remove(hash)
	}
	if there, taken := t.doubles.get(code); taken && there == at {
		t.doubles.remove(code)
	}
}

// retain removes every link of which keep says no.
func (t *linkTable) retain(keep func(program.LinkID) bool) {
	t.writing.Lock()
	defer t.writing.Unlock()
	gone := map[program.LinkID]place{}
	t.ids.each(func(id program.LinkID, at place) {
		if !keep(id) {
			gone[id] = at
		}
	})
	var r row
	for id, at := range gone {
		t.dead += t.read(at, &r)
		t.forget(string(r.code), at)
		t.ids.remove(id)
	}
}

// follow has a code lead to where its row has moved, unless it leads to another link by now.
func (t *linkTable) follow(code string, from, to place) {
	hash := t.hash(code)
	if there, taken := t.codes.get(hash); taken && there == from {
		t.codes.set(hash, to)
	} else if there, taken := t.doubles.get(code); taken && there == from {
		t.doubles.set(code, to)
	}
}

// move packs all links into new blocks and drops the present ones. A reader on its way to a row in one of them finds it gone and
// looks again.
func (t *linkTable) move() {
	former := len(*t.blocks.Load())
	t.free, t.used, t.dead = blockBytes, 0, 0 // so that add begins a block
	places := map[program.LinkID]place{}
	t.ids.each(func(id program.LinkID, at place) { places[id] = at })
	var r row
	for id, at := range places {
		t.read(at, &r)
		to := t.add(r.append(nil))
		t.ids.set(id, to)
		t.follow(string(r.code), at, to)
	}
	blocks := slices.Clone(*t.blocks.Load())
	clear(blocks[:former])
	t.blocks.Store(&blocks)
}
