package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// A Link is the part of a one-time link that opens it: 32 random bytes, base64url. Whoever has it may spend it, once.
type Link string

func newLink() Link {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return Link(base64.RawURLEncoding.EncodeToString(raw))
}

// hash is by what the database knows a link.
func (l Link) hash() []byte {
	sum := sha256.Sum256([]byte(l))
	return sum[:]
}

// A Ticket is what a link is about.
type Ticket struct {
	// Kind is "invite" or "reset"; Email whom it is for, Of, Org and Role into what an invitation is.
	Kind, Email, Of string
	Org             Org
	Role            Role
	// State is "open", "used" (at UsedAt), "ended" (taken back) or "late".
	State  string
	UsedAt *time.Time
	// Known tells whether the address of an invitation has a log-in.
	Known bool
}

// ReadTicket tells what a link is about, and spends nothing. A link that never was is not found.
func (db *DB) ReadTicket(ctx context.Context, link Link) (t Ticket, err error) {
	// name: ticket read
	err = db.pool.QueryRow(ctx, `SELECT kind, email, "of", org, role, state, used_at, known FROM ticket_read($1)`, link.hash()).
		Scan(&t.Kind, &t.Email, &t.Of, &t.Org, &t.Role, &t.State, &t.UsedAt, &t.Known)
	if errors.Is(err, pgx.ErrNoRows) {
		return Ticket{}, fault.Coded(fault.NotFound, "not_found", nil)
	}
	if err != nil {
		return Ticket{}, fmt.Errorf("reading a link: %w", unavailable(err))
	}
	return t, nil
}

// CodeSeated refuses an invitation of somebody who has a seat there, CodeLastOwner the end of the last owner's.
const (
	CodeSeated    = "seated"
	CodeLastOwner = "last_owner"
)

// outcomes are the faults of what the functions of migrations/postgres/00113_invite.sql and 00114_reset.sql answer.
var outcomes = map[string]error{ //nolint:gochecknoglobals // a table
	"not_found":     fault.Coded(fault.NotFound, "not_found", nil),
	"not_permitted": fault.Coded(fault.Forbidden, "not_permitted", nil),
	"seated":        fault.Coded(fault.Conflict, CodeSeated, nil),
	"too_many":      fault.Coded(fault.TooMany, "too_many_invitations", nil),
	"last_owner":    fault.Coded(fault.Conflict, CodeLastOwner, nil),
	"elsewhere":     fault.Coded(fault.Forbidden, "seat_elsewhere", nil),
	"spent":         fault.Coded(fault.Conflict, "link_spent", nil),
	"known":         fault.Coded(fault.Conflict, "email_known", nil),
	"other_person":  fault.Coded(fault.Forbidden, "other_person", nil),
}

// outcome is nil for done, and otherwise the fault that a function's answer means.
func outcome(said string) error {
	if said == "done" {
		return nil
	}
	if err, known := outcomes[said]; known {
		return err
	}
	return fmt.Errorf("a function answers %q", said)
}

// Invite makes a link by which the person of an e-mail address takes a seat within a week. It is Conflict seated where they
// have one there, and TooMany after 50 invitations in a day.
func Invite(ctx context.Context, q partners.Querier, email string, n NewSeat) (Link, error) {
	if err := n.Check(); err != nil {
		return "", fault.Coded(fault.Invalid, "refused", err)
	}
	link, said := newLink(), ""
	// name: invite
	err := q.QueryRow(ctx, `SELECT invite(lower($1), $2, nullif($3::bigint, 0), nullif($4::bigint, 0), $5, $6)`,
		email, n.Network, n.Merchant, n.Partner, n.Role, link.hash()).Scan(&said)
	if err == nil {
		err = outcome(said)
	}
	if err != nil {
		return "", fmt.Errorf("inviting: %w", partners.AsFault(err))
	}
	return link, nil
}

// Invite invites into an organisation of the scope.
func (db *DB) Invite(ctx context.Context, scope Scope, email string, n NewSeat) (link Link, err error) {
	err = db.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		link, err = Invite(ctx, tx, email, n)
		return err
	})
	return link, err
}

// EndInvitation takes an open invitation of the scope back.
func (db *DB) EndInvitation(ctx context.Context, scope Scope, id int64) error {
	return db.Change(ctx, scope, func(tx pgx.Tx) error {
		ended := false
		// name: invite end
		err := tx.QueryRow(ctx, `SELECT invite_end($1)`, id).Scan(&ended)
		if err == nil && !ended {
			err = outcome("not_found")
		}
		return err
	})
}

// EndSeatOf ends a seat of the scope, and its sessions at once. It is Conflict last_owner for an organisation's last owner.
func (db *DB) EndSeatOf(ctx context.Context, scope Scope, id program.SeatID) error {
	return db.Change(ctx, scope, func(tx pgx.Tx) error {
		said := ""
		// name: seat end by number
		err := tx.QueryRow(ctx, `SELECT seat_end($1)`, id).Scan(&said)
		if err == nil {
			err = outcome(said)
		}
		return err
	})
}

// Accept spends an invitation: it makes a log-in with the invited address, and the seat.
func (db *DB) Accept(ctx context.Context, by Actor, link Link, name, passwordHash string) error {
	return db.acting(ctx, by, func(tx pgx.Tx) error {
		said := ""
		// name: invite accept
		err := tx.QueryRow(ctx, `SELECT invite_accept($1, $2, $3)`, link.hash(), name, passwordHash).Scan(&said)
		if err == nil {
			err = outcome(said)
		}
		return err
	})
}

// TakeInvitation spends an invitation on a further seat of whoever the session of a token is of. It is Forbidden other_person
// where it is to another address.
func (db *DB) TakeInvitation(ctx context.Context, by Actor, link Link, token []byte) (seat program.SeatID, err error) {
	err = db.acting(ctx, by, func(tx pgx.Tx) error {
		said := ""
		var taken *program.SeatID
		// name: invite take
		err := tx.QueryRow(ctx, `SELECT outcome, seat FROM invite_take($1, $2)`, link.hash(), token).Scan(&said, &taken)
		if err == nil {
			err = outcome(said)
		}
		if err == nil {
			seat = *taken
		}
		return err
	})
	return seat, err
}
