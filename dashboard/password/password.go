// Package password hashes what people sign in with at the pages (step 7 in the life of a click): argon2id at the
// OWASP minimum, kept as PHC text, never more than a few at a time.
package password

import (
	"context"
	"crypto/rand"
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

// ErrNotChallenge says that a text is no argon2id hash in PHC form, without its last part, within the bounds this package accepts.
var ErrNotChallenge = errors.New("not an argon2id challenge in PHC form")

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

// Checker derives the hashes of passwords, a few at a time: each takes the memory its challenge asks for.
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

// Derive gives the hash of a password in the form of Hash, with the salt and at the cost of a challenge: a hash without its
// last part. It is empty, which is nobody's, for a password of more than MaxLen bytes. The error is ErrBusy when the turn does not
// come in time, and ctx's when that ends before.
func (c *Checker) Derive(ctx context.Context, challenge, password string) (string, error) {
	h, err := parse(challenge)
	if err != nil {
		return "", fmt.Errorf("checking a password: %w", err)
	}
	if len(password) > MaxLen {
		return "", nil
	}
	if !c.enter() {
		return "", fmt.Errorf("checking a password: %w", ErrBusy)
	}
	defer c.leave()
	turn := time.NewTimer(c.patience)
	defer turn.Stop()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-turn.C:
		return "", fmt.Errorf("waiting to check a password: %w", ErrBusy)
	case <-ctx.Done():
		return "", fmt.Errorf("waiting to check a password: %w", ctx.Err())
	}
	begun := time.Now()
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, keyLen)
	c.took(time.Since(begun))
	return challenge + "$" + base64.RawStdEncoding.EncodeToString(key), nil
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

type cost struct {
	memory, passes uint32
	threads        uint8
	salt           []byte
}

func parse(challenge string) (cost, error) {
	var h cost
	parts := strings.Split(challenge, "$")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return h, ErrNotChallenge
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); n != 3 || err != nil {
		return h, ErrNotChallenge
	}
	var err error
	h.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	// A hash from elsewhere may cost up to 256 MiB and 16 passes: more is an attack on the server.
	fits := h.memory >= 8 && h.memory <= 256<<10 && h.passes >= 1 && h.passes <= 16 && h.threads >= 1 && len(h.salt) >= 8
	if err != nil || !fits {
		return h, ErrNotChallenge
	}
	return h, nil
}
