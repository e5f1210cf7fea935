package stream

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"

	"tributary/internal/keyring"
)

// Nobody is believed for being on the bus. Produce signs each record by the first key of the client, over its spool, sequence,
// partition, topic, format and value, and Fetch tells of each record what its signature is worth. Who may write to the broker
// can so neither make a record nor send a genuine one to another place.

// Seal is what a record's signature is worth.
type Seal uint8

// The zero value trusts nothing.
const (
	// Forged is for a record whose signature or headers are missing or wrong. Whatever else it says means nothing.
	Forged Seal = iota
	// Genuine is for a record that a holder of the network's keys has sent to this very place.
	Genuine
	// UnknownKey is for a record that names a key which is not among the client's.
	UnknownKey
)

const (
	// sealBytes is the length of a signature: the number of its key, and 16 bytes of HMAC-SHA256.
	sealBytes = 1 + 16
	// maxFormat bounds the name of a format.
	maxFormat = 32
)

// errNoKeys says that the client cannot sign.
var errNoKeys = errors.New("this client has no record keys to sign by")

// ring holds the record keys of a client: the first signs, all verify.
type ring struct {
	first *sealer
	byID  [256]*sealer
}

// newRing gives the ring of these keys, nil where there are none.
func newRing(keys []keyring.Key) (*ring, error) {
	if len(keys) == 0 {
		return nil, nil //nolint:nilnil // no ring is a ring that trusts nothing
	}
	if err := keyring.Check(keys); err != nil {
		return nil, fmt.Errorf("making the ring of record keys: %w", err)
	}
	r := &ring{}
	for i, key := range keys {
		s := &sealer{id: key.ID, keyed: func() hash.Hash { return hmac.New(sha256.New, key.Secret[:]) }}
		r.byID[key.ID] = s
		if i == 0 {
			r.first = s
		}
	}
	return r, nil
}

// ids lists the numbers of the keys.
func (r *ring) ids() []int16 {
	if r == nil {
		return nil
	}
	var ids []int16
	for id, s := range r.byID {
		if s != nil {
			ids = append(ids, int16(id))
		}
	}
	return ids
}

// sealer is one key ready for use: a pool of keyed hashes, since keying one costs as much as using it.
type sealer struct {
	id    uint8
	keyed func() hash.Hash
	pool  sync.Pool // of *sealing
}

// sealing is a keyed hash, and the memory that one signature needs.
type sealing struct {
	of  *sealer
	mac hash.Hash
	// head is what precedes the value: spool and sequence, which differ, and what names the place.
	head []byte
	sum  [sha256.Size]byte
}

func (s *sealer) take() *sealing {
	if used, ok := s.pool.Get().(*sealing); ok {
		return used
	}
	return &sealing{of: s, mac: s.keyed()}
}

func (s *sealing) give() { s.of.pool.Put(s) }

// headBytes is the length of what differs from record to record in a head.
const headBytes = 16 + 8

// name sets what the following signatures are for: a partition of a topic, by its full name, and a format.
func (s *sealing) name(topic string, partition int, format []byte) {
	s.head = append(s.head[:0], make([]byte, headBytes)...)
	s.head = appendInt32(s.head, int32(partition))
	s.head = appendString(s.head, topic)
	s.head = append(s.head, byte(len(format)))
	s.head = append(s.head, format...)
}

// compute gives the signature of a record without the key's number. The next call overwrites it.
func (s *sealing) compute(r *Record) []byte {
	copy(s.head, r.Spool[:])
	binary.BigEndian.PutUint64(s.head[16:], r.Seq)
	s.mac.Reset()
	_, _ = s.mac.Write(s.head)
	_, _ = s.mac.Write(r.Value)
	return s.mac.Sum(s.sum[:0])[:sealBytes-1]
}

// sign appends the signature of a record.
func (s *sealing) sign(dst []byte, r *Record) []byte {
	return append(append(dst, s.of.id), s.compute(r)...)
}

// verify tells what a signature on a record is worth. Without keys nothing is.
func (r *ring) verify(topic string, record *Record, signature, format []byte) Seal {
	if r == nil || len(signature) != sealBytes || len(format) == 0 || len(format) > maxFormat || record.Seq == 0 {
		return Forged
	}
	key := r.byID[signature[0]]
	if key == nil {
		return UnknownKey
	}
	s := key.take()
	defer s.give()
	s.name(topic, record.Partition, format)
	if !hmac.Equal(s.compute(record), signature[1:]) {
		return Forged
	}
	return Genuine
}
