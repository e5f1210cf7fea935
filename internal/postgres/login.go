package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// scramRounds is PostgreSQL's own default for the passwords that people may have chosen.
const scramRounds = 4096

// SetPasswords makes the log-ins that are missing and gives each the password that stands at its role. conn is the owner's,
// who must be allowed to make roles. The server sees the verifiers only, so no password is in its log.
func SetPasswords(ctx context.Context, conn *pgx.Conn, passwords map[Role]string) error {
	return setVerifiers(ctx, conn, passwords, scramRounds)
}

// readerConnections is how many connections the log-in that only reads may have.
const readerConnections = 20

// SetRandomPasswords does the same for passwords of 128 random bits and more: there is nothing that many rounds could
// protect, and every connection pays for them.
func SetRandomPasswords(ctx context.Context, conn *pgx.Conn, passwords map[Role]string) error {
	return setVerifiers(ctx, conn, passwords, 1)
}

func setVerifiers(ctx context.Context, conn *pgx.Conn, passwords map[Role]string, rounds int) error {
	for role, password := range passwords {
		verifier, err := scramVerifier(password, rounds)
		if err != nil {
			return fmt.Errorf("setting the password of %s: %w", role, err)
		}
		attributes := ""
		if role == Engine || role == Reader { // see migrations/postgres/00001_network.sql
			attributes = " BYPASSRLS"
		}
		limit := ""
		if role == Reader { // of people and their tools, who must not take what the roles need
			limit = " CONNECTION LIMIT " + strconv.Itoa(readerConnections)
		}
		name := pgx.Identifier{string(role)}.Sanitize()
		// name: log-in of a role; a verifier holds no quote
		_, err = conn.Exec(ctx, `DO $$ BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '`+string(role)+`') THEN CREATE ROLE `+name+attributes+`; END IF;
			ALTER ROLE `+name+` LOGIN NOINHERIT NOCREATEROLE NOCREATEDB`+limit+` PASSWORD '`+verifier+`';
		END $$`)
		if err != nil {
			return fmt.Errorf("setting the password of %s: %w", role, err)
		}
	}
	return nil
}

// scramVerifier is what PostgreSQL keeps of a password (RFC 5803). The password must be ASCII, which needs no
// normalization.
func scramVerifier(password string, rounds int) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("making a salt: %w", err)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("deriving a key: %w", err)
	}
	stored := sha256.Sum256(keyed(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(keyed(salted, "Server Key"))), nil
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
