package partners

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners/program"
)

// An API key is keyMark, the secret and its checksum: "tk_live_" + 43 + 6 characters of base 62. The mark lets scanners of
// code and logs recognise a leaked key, the checksum lets them (and us) tell a real one from a look-alike at once.
const (
	keyMark     = "tk_live_"
	secretChars = 43 // 32 bytes in base 62
	checkChars  = 6  // 32 bits in base 62
	keyLength   = len(keyMark) + secretChars + checkChars
	// prefixChars is how much of a key is kept readable, so that people can tell their keys apart.
	prefixChars = len(keyMark) + 4
)

// IssueKey makes an API key for a merchant and returns it: the only time that anyone can see it, since only its hash is
// kept.
func IssueKey(ctx context.Context, q Querier, merchant program.MerchantID, label string, scopes Scope) (key string, id program.KeyID, err error) {
	key = newKey()
	sum, _ := KeyHash(key)
	// name: key insert
	err = q.QueryRow(ctx, `INSERT INTO api_key (merchant_id, hash, prefix, label, scopes) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
		merchant, sum[:], key[:prefixChars], label, scopes.Names()).Scan(&id)
	if err != nil {
		return "", 0, fmt.Errorf("issuing an API key: %w", AsFault(err))
	}
	return key, id, nil
}

// RevokeKey ends a merchant's key: within about a second no tracker accepts it. A key that was revoked before stays so.
// Another merchant's key is not found.
func RevokeKey(ctx context.Context, q Querier, merchant program.MerchantID, id program.KeyID) error {
	// name: key revoke
	tag, err := q.Exec(ctx, `UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 AND merchant_id = $2`, id, merchant)
	if err != nil {
		return fmt.Errorf("revoking an API key: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.Coded(fault.NotFound, "unknown_key", nil)
	}
	return nil
}

// LiveKeys counts a merchant's live keys, and those of them that have a label.
func LiveKeys(ctx context.Context, q Querier, merchant program.MerchantID, label string) (live, labelled int, err error) {
	// name: live keys
	err = q.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE label = $2) FROM api_key WHERE merchant_id = $1 AND revoked_at IS NULL`,
		merchant, label).Scan(&live, &labelled)
	if err != nil {
		return 0, 0, fmt.Errorf("counting keys: %w", err)
	}
	return live, labelled, nil
}

// KeyHash gives the hash under which a key is kept, and false for a text that cannot be a key of ours.
func KeyHash(key string) (sum [32]byte, ok bool) {
	if len(key) != keyLength || !strings.HasPrefix(key, keyMark) {
		return sum, false
	}
	body, check := key[:keyLength-checkChars], key[keyLength-checkChars:]
	if checksum(body) != check {
		return sum, false
	}
	return sha256.Sum256([]byte(key)), true
}

func newKey() string {
	var secret [32]byte
	rand.Read(secret[:]) // ends the program rather than return an error
	body := keyMark + base62(new(big.Int).SetBytes(secret[:]), secretChars)
	return body + checksum(body)
}

func checksum(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), checkChars)
}

// base62 writes n with digits, upper and lower case letters, at a fixed width.
func base62(n *big.Int, width int) string {
	text := n.Text(62)
	return strings.Repeat("0", width-len(text)) + text
}

// Key is a live API key, of either form.
type Key struct {
	ID       program.KeyID
	Merchant program.MerchantID
	Scopes   Scope
}

// Signer is a key whose secret signs requests and is never sent with them.
type Signer struct {
	Key

	Secret [32]byte
}

// SecretMark opens the text form of a signing secret, as in Standard Webhooks; the secret follows in base64.
const SecretMark = "whsec_"

// IssueSigner makes a key that signs requests for a merchant and returns its secret: the only time that a person can see
// it. What a tracker signs with must be kept as it is, where trackers alone may read it.
func IssueSigner(ctx context.Context, tx pgx.Tx, merchant program.MerchantID, label string, scopes Scope) (secret string, id program.KeyID, err error) {
	var raw [32]byte
	rand.Read(raw[:])                                          // ends the program rather than return an error
	sum := sha256.Sum256(append([]byte("signer:"), raw[:]...)) // unlike that of any bearer's key
	secret = SecretMark + base64.StdEncoding.EncodeToString(raw[:])
	// name: signer insert
	err = tx.QueryRow(ctx, `INSERT INTO api_key (merchant_id, hash, prefix, label, signs, scopes) VALUES ($1, $2, $3, $4, true, $5) RETURNING id`,
		merchant, sum[:], SecretMark+hex.EncodeToString(sum[:2]), label, scopes.Names()).Scan(&id) // no part of the secret
	if err != nil {
		return "", 0, fmt.Errorf("issuing a key that signs: %w", AsFault(err))
	}
	// name: signing secret insert
	if _, err = tx.Exec(ctx, `INSERT INTO signing_secret (key_id, secret) VALUES ($1, $2)`, id, raw[:]); err != nil {
		return "", 0, fmt.Errorf("keeping a signing secret: %w", err)
	}
	return secret, id, nil
}
