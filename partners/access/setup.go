package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
)

// crockford are the characters of codes that people type: no I, L, O or U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// codeLen is how many characters a code has: 100 bits.
const codeLen = 20

// A Code is what sets up an empty network, as people read it: XXXXX-XXXXX-XXXXX-XXXXX.
type Code string

// newCode makes a random code.
func newCode() Code {
	raw := make([]byte, codeLen)
	_, _ = rand.Read(raw) // never fails
	var b strings.Builder
	for i, r := range raw {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(crockford[r%32])
	}
	return Code(b.String())
}

// hash is by what the database knows a code, however it was typed: small letters, spaces, and O, I and L for 0 and 1.
func (c Code) hash() []byte {
	read := strings.Map(func(r rune) rune {
		switch r {
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		case '-', ' ', '\t':
			return -1
		}
		return r
	}, strings.ToUpper(string(c)))
	sum := sha256.Sum256([]byte(read))
	return sum[:]
}

// OfferSetup makes a code by which an empty network can be set up within a day, and ends earlier ones. It is empty where the
// network has an owner.
func OfferSetup(ctx context.Context, q partners.Querier) (Code, error) {
	code, offered := newCode(), false
	// name: setup offer
	if err := q.QueryRow(ctx, `SELECT setup_offer($1)`, code.hash()).Scan(&offered); err != nil {
		return "", fmt.Errorf("offering to set up the network: %w", err)
	}
	if !offered {
		return "", nil
	}
	return code, nil
}

// OfferSetup is the function of that name, as the pages' own log-in.
func (db *DB) OfferSetup(ctx context.Context) (Code, error) { return OfferSetup(ctx, db.pool) }

// Empty tells whether nobody owns the network yet.
func (db *DB) Empty(ctx context.Context) (empty bool, err error) {
	// name: setup empty
	if err := db.pool.QueryRow(ctx, `SELECT network_is_empty()`).Scan(&empty); err != nil {
		return false, fmt.Errorf("asking whether the network is set up: %w", unavailable(err))
	}
	return empty, nil
}

// KnowsCode tells whether a code would set the network up.
func (db *DB) KnowsCode(ctx context.Context, code Code) (known bool, err error) {
	// name: setup code
	if err := db.pool.QueryRow(ctx, `SELECT setup_known($1)`, code.hash()).Scan(&known); err != nil {
		return false, fmt.Errorf("comparing a code: %w", unavailable(err))
	}
	return known, nil
}

// A NewNetwork is what the code is spent on.
type NewNetwork struct {
	Code Code
	// Name is the network's.
	Name string
	// Email, Person and PasswordHash are its owner's; the hash is argon2id in PHC text.
	Email, Person, PasswordHash string
}

// SetUp names the network and makes its owner. It is not found where the network has one, Forbidden wrong_code with a code that
// is wrong or was spent, and Conflict email_known where the address has a log-in.
func (db *DB) SetUp(ctx context.Context, by Actor, n NewNetwork) error {
	return db.acting(ctx, by, func(tx pgx.Tx) error {
		var outcome string
		// name: setup
		err := tx.QueryRow(ctx, `SELECT setup($1, $2, lower($3), $4, $5)`, n.Code.hash(), n.Name, n.Email, n.Person, n.PasswordHash).Scan(&outcome)
		switch {
		case err != nil:
			return partners.AsFault(err)
		case outcome == "over":
			return fault.Coded(fault.NotFound, "not_found", nil)
		case outcome == "known":
			return fault.Coded(fault.Conflict, "email_known", nil)
		case outcome != "done":
			return fault.Coded(fault.Forbidden, "wrong_code", nil)
		}
		return nil
	})
}
