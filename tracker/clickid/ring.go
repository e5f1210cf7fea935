package clickid

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"strconv"
	"strings"
	"sync"
)

// Key signs click ids. Printing it, logging it or turning it into JSON shows its id and never its secret.
type Key struct {
	ID     uint8
	Secret [32]byte
}

// GenerateKey returns a key with a fresh random secret.
func GenerateKey(id uint8) Key {
	k := Key{ID: id}
	rand.Read(k.Secret[:]) // ends the program rather than return an error
	return k
}

// ParseKeys reads the text form of keys: "1:SECRET,2:SECRET", each secret 32 bytes in base64 (either alphabet, padded or
// not). The first key is the one that mints. No error repeats any part of a secret.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	for i, part := range strings.Split(text, ",") {
		id, secret, found := strings.Cut(strings.TrimSpace(part), ":")
		if !found {
			return nil, fmt.Errorf("reading click id key %d of the list: not of the form ID:SECRET", i+1)
		}
		number, err := strconv.ParseUint(id, 10, 8)
		if err != nil {
			return nil, fmt.Errorf("reading click id key %d of the list: its id is not a number from 0 to 255", i+1)
		}
		plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(secret, "="))
		raw, err := base64.RawURLEncoding.Strict().DecodeString(plain)
		if err != nil {
			return nil, fmt.Errorf("reading click id key %d: its secret is not base64", number)
		}
		key := Key{ID: uint8(number)}
		if len(raw) != len(key.Secret) {
			return nil, fmt.Errorf("reading click id key %d: its secret has %d bytes, not %d", number, len(raw), len(key.Secret))
		}
		copy(key.Secret[:], raw)
		keys = append(keys, key)
	}
	return keys, nil
}

// Reveal returns the text form that ParseKeys reads, the secret included. It belongs in a secret store and nowhere else.
func (k Key) Reveal() string {
	return fmt.Sprintf("%d:%s", k.ID, base64.RawURLEncoding.EncodeToString(k.Secret[:]))
}

// Fingerprint tells keys apart without telling anything about their secrets: they are random.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(append([]byte("tributary click id key "), k.Secret[:]...))
	return hex.EncodeToString(sum[:16])
}

// String names the key without its secret.
func (k Key) String() string { return fmt.Sprintf("click id key %d", k.ID) }

// Format prints String whatever the verb, since %d or %#v would otherwise spell the secret out.
func (k Key) Format(state fmt.State, _ rune) { _, _ = fmt.Fprint(state, k.String()) }

// LogValue logs the key without its secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText gives JSON and other encoders the key without its secret. There is no way back: use Reveal to store a key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Ring holds the keys of a network. The first one mints and all of them verify, so a key is rotated by putting a new one
// in front and removing the old one when the longest attribution window has passed.
type Ring struct {
	first  *signer
	byID   [256]*signer
	strict *base64.Encoding // refuses bits set where the last character carries nothing
}

// fewestValues is how many different bytes a secret has at least. Of 32 random bytes about 30 are different; what a person
// has typed, or copied from instructions, has fewer.
const fewestValues = 16

// NewRing returns the ring of these keys, or an error that says which key is wrong: there must be at least one, the ids
// must differ, and a secret that no random source can have given is refused.
func NewRing(keys []Key) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("making click id ring: no key given")
	}
	r := &Ring{strict: base64.RawURLEncoding.Strict()}
	for i, key := range keys {
		if key.Secret == [32]byte{} {
			return nil, fmt.Errorf("making click id ring: the secret of key %d is not set", key.ID)
		}
		if n := key.values(); n < fewestValues {
			return nil, fmt.Errorf("making click id ring: the secret of key %d is not random, with %d different bytes: make one with `tributary keys new`", key.ID, n)
		}
		if r.byID[key.ID] != nil {
			return nil, fmt.Errorf("making click id ring: key %d is given twice", key.ID)
		}
		s := &signer{id: key.ID, keyed: func() hash.Hash { return hmac.New(sha256.New, key.Secret[:]) }}
		r.byID[key.ID] = s
		if i == 0 {
			r.first = s
		}
	}
	return r, nil
}

// values counts the different bytes of a secret.
func (k Key) values() int {
	seen := map[byte]bool{}
	for _, b := range k.Secret {
		seen[b] = true
	}
	return len(seen)
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
