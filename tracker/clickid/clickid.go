// Package clickid mints and verifies the signed click id. It serves step 1 of the life of a click, where the tracker
// sends the visitor on with a fresh id, and step 4, where an order comes back with it.
//
// An id carries all that attribution needs (the link and the time of the click), so an order can be credited with no
// look-up, even when the row of its click was lost. It is 40 bytes, written as 54 characters of base64url:
//
//	byte   0      version, 1 of a redirect, 2 of a soft click
//	byte   1      key id
//	bytes  2-9    link, big endian
//	bytes 10-15   time of the click, milliseconds since 1970, big endian
//	bytes 16-23   nonce, random
//	bytes 24-39   first 128 bits of HMAC-SHA256 over bytes 0-23
//
// Each id has exactly one text form: another spelling of the same bytes is refused, so text can be compared as text.
// How old a click may be is a matter of the program's terms and not of this package.
package clickid

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// TextLength is the length in bytes of every click id in its text form.
const TextLength = 54

const (
	version = 1
	// soft is the version of a click that somebody says happened: no redirect has seen it (event.SoftClickID).
	soft = 2

	keyAt      = 1
	linkAt     = 2
	timeAt     = 10
	nonceAt    = 16
	tagAt      = 24
	rawLength  = 40
	timeLimit  = 1<<48 - 1 // the largest time six bytes hold, in the year 10889
	nonceBytes = tagAt - nonceAt
)

// What Verify finds wrong with an id. Each asks for another answer: a malformed id is a mistake of the caller, an unknown
// key one of the set-up (a key was removed too early), and a forged id is nobody's mistake.
var (
	ErrMalformed  = errors.New("click id is malformed")
	ErrUnknownKey = errors.New("click id is signed with a key that is not in the ring")
	ErrForged     = errors.New("click id is forged")
)

// ID is what a verified click id says.
type ID struct {
	Link  int64     // the tracking link that was followed
	At    time.Time // time of the click, UTC, whole milliseconds
	Nonce [8]byte   // tells apart two clicks on one link within a millisecond
	Soft  bool      // no redirect has seen it
}

// Mint returns a new click id for a click on link, signed with the first key of the ring. The time is cut to whole
// milliseconds and held within 1970 and the year 10889. It is safe for concurrent use.
func (r *Ring) Mint(link int64, at time.Time) string {
	s := r.first.take()
	defer r.first.pool.Put(s)
	return s.mint(version, r.first.id, link, at, s.nonce())
}

// MintSoft is Mint for a click that a tag reports: the id itself says that it is a soft one.
func (r *Ring) MintSoft(link int64, at time.Time) string {
	s := r.first.take()
	defer r.first.pool.Put(s)
	return s.mint(soft, r.first.id, link, at, s.nonce())
}

// MintAs returns the click id of a click whose nonce is given, so that an import that is run again mints the same ids.
// Otherwise it is Mint.
func (r *Ring) MintAs(link int64, at time.Time, nonce [8]byte) string {
	s := r.first.take()
	defer r.first.pool.Put(s)
	return s.mint(version, r.first.id, link, at, nonce)
}

// Verify checks the text form of a click id and returns what it says. It answers ErrMalformed, ErrUnknownKey or ErrForged
// and then nothing in the id may be used. It is safe for concurrent use.
func (r *Ring) Verify(text string) (ID, error) {
	if len(text) != TextLength {
		return ID{}, fmt.Errorf("%w: %d characters, not %d", ErrMalformed, len(text), TextLength)
	}
	var chars [TextLength]byte
	var raw [rawLength]byte
	copy(chars[:], text)
	// The decoder skips line breaks, which would give an id a second spelling: such a text decodes to fewer bytes.
	if n, err := r.strict.Decode(raw[:], chars[:]); err != nil || n != rawLength {
		return ID{}, fmt.Errorf("%w: not base64url", ErrMalformed)
	}
	if raw[0] != version && raw[0] != soft {
		return ID{}, fmt.Errorf("%w: version %d", ErrMalformed, raw[0])
	}
	key := r.byID[raw[keyAt]]
	if key == nil {
		return ID{}, fmt.Errorf("%w: key %d", ErrUnknownKey, raw[keyAt])
	}
	s := key.take()
	defer key.pool.Put(s)
	copy(s.raw[:tagAt], raw[:tagAt])
	if !hmac.Equal(s.tag(), raw[tagAt:]) {
		return ID{}, ErrForged
	}
	id := ID{
		Link: int64(binary.BigEndian.Uint64(raw[linkAt:])),
		At:   time.UnixMilli(int64(binary.BigEndian.Uint64(raw[timeAt-2:]) & timeLimit)).UTC(),
		Soft: raw[0] == soft,
	}
	copy(id.Nonce[:], raw[nonceAt:tagAt])
	return id, nil
}

// mint writes and signs an id in the scratch memory; only the returned text is new.
func (s *scratch) mint(version, key uint8, link int64, at time.Time, nonce [nonceBytes]byte) string {
	millis := min(max(at.UnixMilli(), 0), timeLimit)
	// The time is written first, as eight bytes ending where its six end; the link then covers its two zero bytes.
	binary.BigEndian.PutUint64(s.raw[timeAt-2:], uint64(millis))
	binary.BigEndian.PutUint64(s.raw[linkAt:], uint64(link))
	s.raw[0], s.raw[keyAt] = version, key
	copy(s.raw[nonceAt:], nonce[:])
	copy(s.raw[tagAt:], s.tag())
	base64.RawURLEncoding.Encode(s.text[:], s.raw[:])
	return string(s.text[:])
}

// tag returns the signature of the first 24 bytes of raw, valid until the next call.
func (s *scratch) tag() []byte {
	s.mac.Reset()
	s.mac.Write(s.raw[:tagAt])
	return s.mac.Sum(s.sum[:0])[:rawLength-tagAt]
}

// nonce takes eight random bytes from a buffer that is filled for many at once, since a call of the kernel for each one
// would cost more than the signature.
func (s *scratch) nonce() [nonceBytes]byte {
	if s.spent == len(s.random) {
		rand.Read(s.random[:]) // ends the program rather than return an error
		s.spent = 0
	}
	n := [nonceBytes]byte(s.random[s.spent:])
	s.spent += nonceBytes
	return n
}
