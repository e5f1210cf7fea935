package clickid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"sync"

	"tributary/internal/keyring"
)

// Ring holds the keys of a network. The first one mints and all of them verify, so a key is rotated by putting a new one
// in front and removing the old one when the longest attribution window has passed.
type Ring struct {
	first  *signer
	byID   [256]*signer
	strict *base64.Encoding // refuses bits set where the last character carries nothing
}

// NewRing returns the ring of these keys, or an error that says which key is wrong (keyring.Check).
func NewRing(keys []keyring.Key) (*Ring, error) {
	if err := keyring.Check(keys); err != nil {
		return nil, fmt.Errorf("making click id ring: %w", err)
	}
	r := &Ring{strict: base64.RawURLEncoding.Strict()}
	for i, key := range keys {
		s := &signer{id: key.ID, keyed: func() hash.Hash { return hmac.New(sha256.New, key.Secret[:]) }}
		r.byID[key.ID] = s
		if i == 0 {
			r.first = s
		}
	}
	return r, nil
}

// signer is one key ready for use: a pool of keyed hashes, since keying one costs as much as using it.
type signer struct {
	id    uint8
	keyed func() hash.Hash
	pool  sync.Pool // of *scratch
}

func (s *signer) take() *scratch {
	if used, ok := s.pool.Get().(*scratch); ok {
		return used
	}
	return &scratch{mac: s.keyed(), spent: randomBytes}
}

const randomBytes = 64 * nonceBytes

// scratch is the memory that minting or verifying one id needs.
type scratch struct {
	mac    hash.Hash
	raw    [rawLength]byte
	sum    [sha256.Size]byte
	text   [TextLength]byte
	random [randomBytes]byte
	spent  int // bytes of random already handed out
}
