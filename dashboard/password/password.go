// Package password hashes what people sign in with at the pages (step 7 in the life of a click): argon2id at the
// OWASP minimum, kept as PHC text, never more than a few at a time.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

// The cost of a hash: 19 MiB and two passes (OWASP Password Storage Cheat Sheet).
const (
	memory  = 19 << 10 // KiB
	passes  = 2
	threads = 1
	saltLen = 16
	keyLen  = 32
)

// MaxLen bounds a password in bytes, so that nobody can make the server hash a megabyte.
const MaxLen = 1024

// MinLen is the shortest password that may be set, in characters.
const MinLen = 12

// nobody is the hash of a password that was thrown away. An unknown account is checked against it, so that it takes as
// long as a known one.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIG5vbmU$Pp8zxn0n/0VK6v1YpkVSMPwTiLW5Z1gPoXWlGNTlcMo"

// ErrNotHash says that a text is no argon2id hash in PHC form within the bounds this package accepts.
var ErrNotHash = errors.New("not an argon2id hash in PHC form")

// Hash gives the PHC text of a password. It takes about 25 ms and 19 MiB.
func Hash(password string) (string, error) {
	if len(password) > MaxLen {
		return "", fmt.Errorf("hashing a password: it has %d bytes, more than %d", len(password), MaxLen)
	}
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, passes, memory, threads, keyLen)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, memory, passes, threads, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// ErrBusy says that a password was not compared, since more of them wait than the checker's patience allows.
var ErrBusy = errors.New("too many passwords are being checked")

// Checker compares passwords with hashes, a few at a time: each takes the memory its hash asks for.
type Checker struct {
	slots    chan struct{}
	patience time.Duration

	mu    sync.Mutex
	queue int           // passwords that are waiting or being compared
	each  time.Duration // what comparing one took lately
}

// NewChecker makes a checker that works on at most n passwords at once; further ones wait their turn, none longer than
// patience. One that would is refused when it comes.
func NewChecker(n int, patience time.Duration) *Checker {
	return &Checker{slots: make(chan struct{}, n), patience: patience, each: 50 * time.Millisecond}
}

// Matches tells whether the password is the one hash was made of. An empty hash stands for an account that does not
// exist: it takes the same time and never matches. The error is ErrBusy when the turn does not come in time, and ctx's when
// that ends before.
func (c *Checker) Matches(ctx context.Context, hash, password string) (bool, error) {
	if len(password) > MaxLen {
		return false, nil
	}
	known := hash != ""
	if !known {
		hash = nobody
	}
	h, err := parse(hash)
	if err != nil {
		return false, fmt.Errorf("checking a password: %w", err)
	}
	if !c.enter() {
		return false, fmt.Errorf("checking a password: %w", ErrBusy)
	}
	defer c.leave()
	turn := time.NewTimer(c.patience)
	defer turn.Stop()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-turn.C:
		return false, fmt.Errorf("waiting to check a password: %w", ErrBusy)
	case <-ctx.Done():
		return false, fmt.Errorf("waiting to check a password: %w", ctx.Err())
	}
	begun := time.Now()
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
	c.took(time.Since(begun))
	return subtle.ConstantTimeCompare(key, h.key) == 1 && known, nil
}

// enter joins the queue unless its end is further away than patience.
func (c *Checker) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ahead := c.queue - cap(c.slots) + 1; ahead > 0 && time.Duration(ahead)*c.each > c.patience*time.Duration(cap(c.slots)) {
		return false
	}
	c.queue++
	return true
}

func (c *Checker) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue--
}

func (c *Checker) took(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each += (d - c.each) / 8
}

type hashed struct {
	memory, passes uint32
	threads        uint8
	salt, key      []byte
}

func parse(text string) (hashed, error) {
	var h hashed
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return h, ErrNotHash
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); n != 3 || err != nil {
		return h, ErrNotHash
	}
	var errSalt, errKey error
	h.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, errKey = base64.RawStdEncoding.DecodeString(parts[5])
	// A hash from elsewhere may cost up to 256 MiB and 16 passes: more is an attack on the server.
	fits := h.memory >= 8 && h.memory <= 256<<10 && h.passes >= 1 && h.passes <= 16 && h.threads >= 1 &&
		len(h.salt) >= 8 && len(h.key) >= 16 && len(h.key) <= 64
	if errSalt != nil || errKey != nil || !fits {
		return h, ErrNotHash
	}
	return h, nil
}
