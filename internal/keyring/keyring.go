// Package keyring holds the secret keys of a network, each under a number, as the settings and the data folder keep them. It
// belongs to no step of a click's life: click ids and the records on the bus are signed by keys of rings of their own.
package keyring

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Key is one key of a ring. Printing it, logging it or turning it into JSON shows its id and never its secret.
type Key struct {
	ID     uint8
	Secret [32]byte
}

// Generate returns a key with a fresh random secret.
func Generate(id uint8) Key {
	k := Key{ID: id}
	rand.Read(k.Secret[:]) // ends the program rather than return an error
	return k
}

// Parse reads the text form of keys: "1:SECRET,2:SECRET", each secret 32 bytes in base64 (either alphabet, padded or
// not). The first key is the one that signs. No error repeats any part of a secret.
func Parse(text string) ([]Key, error) {
	var keys []Key
	for i, part := range strings.Split(text, ",") {
		id, secret, found := strings.Cut(strings.TrimSpace(part), ":")
		if !found {
			return nil, fmt.Errorf("reading key %d of the list: not of the form ID:SECRET", i+1)
		}
		number, err := strconv.ParseUint(id, 10, 8)
		if err != nil {
			return nil, fmt.Errorf("reading key %d of the list: its id is not a number from 0 to 255", i+1)
		}
		plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(secret, "="))
		raw, err := base64.RawURLEncoding.Strict().DecodeString(plain)
		if err != nil {
			return nil, fmt.Errorf("reading key %d: its secret is not base64", number)
		}
		key := Key{ID: uint8(number)}
		if len(raw) != len(key.Secret) {
			return nil, fmt.Errorf("reading key %d: its secret has %d bytes, not %d", number, len(raw), len(key.Secret))
		}
		copy(key.Secret[:], raw)
		keys = append(keys, key)
	}
	return keys, nil
}

// Reveal returns the text form that Parse reads, the secret included. It belongs in a secret store and nowhere else.
func (k Key) Reveal() string {
	return fmt.Sprintf("%d:%s", k.ID, base64.RawURLEncoding.EncodeToString(k.Secret[:]))
}

// Fingerprint tells keys apart without telling anything about their secrets: they are random.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(append([]byte("tributary key "), k.Secret[:]...))
	return hex.EncodeToString(sum[:16])
}

// String names the key without its secret.
func (k Key) String() string { return fmt.Sprintf("key %d", k.ID) }

// Format prints String whatever the verb, since %d or %#v would otherwise spell the secret out.
func (k Key) Format(state fmt.State, _ rune) { _, _ = fmt.Fprint(state, k.String()) }

// LogValue logs the key without its secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText gives JSON and other encoders the key without its secret. There is no way back: use Reveal to store a key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// fewestValues is how many different bytes a secret has at least. Of 32 random bytes about 30 are different; what a person
// has typed, or copied from instructions, has fewer.
const fewestValues = 16

// Check says which key of a ring is wrong: there must be at least one, the ids must differ, and a secret that no random
// source can have given is refused.
func Check(keys []Key) error {
	if len(keys) == 0 {
		return errors.New("no key given")
	}
	known := map[uint8]bool{}
	for _, key := range keys {
		if key.Secret == [32]byte{} {
			return fmt.Errorf("the secret of key %d is not set", key.ID)
		}
		if n := key.values(); n < fewestValues {
			return fmt.Errorf("the secret of key %d is not random, with %d different bytes: make one with `tributary keys new`", key.ID, n)
		}
		if known[key.ID] {
			return fmt.Errorf("key %d is given twice", key.ID)
		}
		known[key.ID] = true
	}
	return nil
}

// values counts the different bytes of a secret.
func (k Key) values() int {
	seen := map[byte]bool{}
	for _, b := range k.Secret {
		seen[b] = true
	}
	return len(seen)
}
