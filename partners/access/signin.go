package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// A Person is somebody who may sign in, in one of their seats. The zero Person is nobody.
type Person struct {
	ID    program.LoginID `json:"id"`
	Email string          `json:"email"`
	Name  string          `json:"name"`
	// Seat is the one that they are in.
	Seat Seat `json:"seat"`
	// Others are the seats that they may change to.
	Others []Seat `json:"others,omitempty"`
}

func (p *Person) columns() []any {
	return []any{&p.ID, &p.Email, &p.Name, &p.Seat.ID, &p.Seat.Role, &p.Seat.Network, &p.Seat.Partner, &p.Seat.Merchant, &p.Seat.Of}
}

// The functions of migrations/postgres/00018_signin.sql and 00110_seats.sql are the only way to log-ins and sessions.

// Challenge gives the parameters by which the hash of somebody's password is derived; those of an address that is unknown
// look alike. known tells whether the device's mark shows that the person signed in from it before.
func (db *DB) Challenge(ctx context.Context, email string, device []byte) (challenge string, known bool, err error) {
	// name: sign-in challenge
	err = db.pool.QueryRow(ctx, `SELECT challenge, known FROM signin_challenge($1, $2)`, email, device).Scan(&challenge, &known)
	if err != nil {
		return "", false, fmt.Errorf("asking for a challenge: %w", unavailable(err))
	}
	return challenge, known, nil
}

// SignIn tells who signs in with a hash: nobody does with a wrong one.
func (db *DB) SignIn(ctx context.Context, email, hash string) (Person, error) {
	var p Person
	// name: sign-in
	err := db.pool.QueryRow(ctx, `SELECT id, email, name, seat, role, network, partner, merchant, "of" FROM signin($1, $2)`, email, hash).Scan(p.columns()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return Person{}, nil
	}
	if err != nil {
		return Person{}, fmt.Errorf("signing in: %w", unavailable(err))
	}
	return p, nil
}

// ChangePassword gives the person another password, which ends their sessions. It is a conflict where the password was
// changed by somebody else meanwhile.
func (db *DB) ChangePassword(ctx context.Context, by Actor, email, hash, next string) error {
	var changed bool
	// name: password change
	err := db.acting(ctx, by, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT password_change($1, $2, $3)`, email, hash, next).Scan(&changed)
	})
	if err != nil {
		return fmt.Errorf("changing a password: %w", unavailable(err))
	}
	if !changed {
		return fault.Coded(fault.Conflict, "password_changed", nil)
	}
	return nil
}

// OpenSession starts a session of whoever has the hash, in the seat that they act in, under the SHA-256 of a token. The mark is what the
// device is known by from now on; nil says that the password was changed or the seat ended in this moment, and no session was
// started.
func (db *DB) OpenSession(ctx context.Context, by Actor, email, hash string, token []byte, expiry time.Time) (mark []byte, err error) {
	// name: session open
	err = db.acting(ctx, by, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT session_open($1, $2, $3, $4, $5)`, email, hash, by.Seat, token, expiry).Scan(&mark)
	})
	if err != nil {
		return nil, fmt.Errorf("starting a session: %w", unavailable(err))
	}
	return mark, nil
}

// FindSession gives what a live session keeps and the person whose it is, as they are now. found is false where there is
// none, or where the person may not sign in any more.
func (db *DB) FindSession(ctx context.Context, token []byte) (data []byte, p Person, found bool, err error) {
	// name: session find
	err = db.pool.QueryRow(ctx, `SELECT data, others, id, email, name, seat, role, network, partner, merchant, "of" FROM session_find($1)`, token).
		Scan(append([]any{&data, &p.Others}, p.columns()...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, Person{}, false, nil
	}
	if err != nil {
		return nil, Person{}, false, fmt.Errorf("finding a session: %w", unavailable(err))
	}
	return data, p, true, nil
}

// KeepSession writes a session over the row that OpenSession made, so that a request under way cannot bring back a session
// that was ended meanwhile.
func (db *DB) KeepSession(ctx context.Context, token, data []byte, expiry time.Time) error {
	return db.session(ctx, "keeping a session", `SELECT session_keep($1, $2, $3)`, token, data, expiry)
}

// EndSession ends a session.
func (db *DB) EndSession(ctx context.Context, token []byte) error {
	return db.session(ctx, "ending a session", `SELECT session_end($1)`, token)
}

// EndSessions ends every session of the person whose session the token is of.
func (db *DB) EndSessions(ctx context.Context, token []byte) error {
	return db.session(ctx, "ending sessions", `SELECT session_end_all($1)`, token)
}

// SweepSessions deletes sessions that are over.
func (db *DB) SweepSessions(ctx context.Context) error {
	return db.session(ctx, "sweeping sessions", `SELECT session_sweep()`)
}

// MinAuditDays is for how many days every note of the audit log is kept.
const MinAuditDays = 400

// SweepAudit removes notes of the audit log that are older than a number of days, MinAuditDays or more; with fewer it removes none.
func (db *DB) SweepAudit(ctx context.Context, days int) error {
	return db.session(ctx, "sweeping the audit log", `SELECT audit_sweep($1)`, days)
}

// NoteFailure notes in the audit log that a wrong password was entered for an e-mail address, twenty times in a day for one person. An
// address that nobody has leaves no note, and takes as long: neither waits for the disk.
func (db *DB) NoteFailure(ctx context.Context, by Actor, email string) error {
	return db.acting(ctx, by, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`)
		if err == nil {
			// name: sign-in failed
			_, err = tx.Exec(ctx, `SELECT signin_failed($1, $2, $3)`, email, by.Address, by.Request)
		}
		return err //nolint:wrapcheck // acting says what
	})
}

func (db *DB) session(ctx context.Context, doing, sql string, args ...any) error {
	if _, err := db.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%s: %w", doing, unavailable(err))
	}
	return nil
}

// A Session is a place where a person is signed in.
type Session struct {
	Here      bool // the token's own
	CreatedAt time.Time
	SeenAt    time.Time
}

// Sessions lists those of the person whose session the token is of.
func (db *DB) Sessions(ctx context.Context, token []byte) ([]Session, error) {
	// name: session list
	rows, err := db.pool.Query(ctx, `SELECT here, created_at, seen_at FROM session_list($1)`, token)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	sessions, err := pgx.CollectRows(rows, pgx.RowToStructByName[Session])
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	return sessions, nil
}

// unavailable marks an error of the database as one that passes.
func unavailable(err error) error {
	return fault.Coded(fault.Unavailable, "unavailable", err)
}

// An APIKey is a live key that came with a request. The zero APIKey is none.
type APIKey struct {
	partners.Key

	Label string
}

// FindKey tells whose live key has a hash, and notes that it is used; nobody's is the zero APIKey.
func (db *DB) FindKey(ctx context.Context, sum [32]byte) (k APIKey, err error) {
	var scopes []string
	// name: key find
	err = db.pool.QueryRow(ctx, `SELECT id, merchant, label, scopes FROM api_key_find($1)`, sum[:]).Scan(&k.ID, &k.Merchant, &k.Label, &scopes)
	if errors.Is(err, pgx.ErrNoRows) {
		return APIKey{}, nil
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("finding a key: %w", unavailable(err))
	}
	k.Scopes = partners.KnownScopes(scopes)
	return k, nil
}
