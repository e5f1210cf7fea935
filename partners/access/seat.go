package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// A Seat puts a person into an organisation. Exactly one of Network, Merchant and Partner is set.
type Seat struct {
	ID       program.SeatID     `json:"id"`
	Role     Role               `json:"role"`
	Network  bool               `json:"network"`
	Merchant program.MerchantID `json:"merchant"`
	Partner  program.PartnerID  `json:"partner"`
	// Of is the organisation's name.
	Of string `json:"of"`
}

// Org is the kind of organisation that the seat is in; nobody's seat is in none.
func (s Seat) Org() Org {
	switch {
	case s.Network:
		return OfNetwork
	case s.Merchant != 0:
		return OfMerchant
	case s.Partner != 0:
		return OfPartner
	}
	return ""
}

// Scope is whose rows the seat sees.
func (s Seat) Scope() Scope {
	return Scope{Network: s.Network, Merchant: s.Merchant, Partner: s.Partner}
}

// May tells whether the seat's role holds a permission.
func (s Seat) May(p Permission) bool { return May(s.Org(), s.Role, p) }

// A NewLogin is a person who may sign in, with their first seat.
type NewLogin struct {
	Email        string
	Name         string
	PasswordHash string // argon2id in PHC text
	Seat         NewSeat
}

// A NewSeat is a role in the organisation of a scope.
type NewSeat struct {
	Scope

	Role Role
}

// Check says what a seat lacks: ErrScope, or a role that its organisation does not have.
func (n NewSeat) Check() error {
	if err := n.Scope.Check(); err != nil {
		return err
	}
	org := Seat{Network: n.Network, Merchant: n.Merchant, Partner: n.Partner}.Org()
	if !slices.Contains(RolesOf(org), n.Role) {
		return fmt.Errorf("a %s has no role %q: it is one of %v", org, n.Role, RolesOf(org))
	}
	return nil
}

// CreateLogin adds a person with a seat. The e-mail is kept in lower case; one that is known already is a conflict.
func CreateLogin(ctx context.Context, q partners.Querier, n NewLogin) (id program.LoginID, err error) {
	if err := n.Seat.Check(); err != nil {
		return 0, fault.Coded(fault.Invalid, "refused", err)
	}
	// name: login insert
	err = q.QueryRow(ctx, `WITH person AS (INSERT INTO login (email, name, password_hash) VALUES (lower($1), $2, $3) RETURNING id)
INSERT INTO seat (login_id, network, merchant_id, partner_id, role)
SELECT id, $4, nullif($5::bigint, 0), nullif($6::bigint, 0), $7 FROM person RETURNING login_id`,
		n.Email, n.Name, n.PasswordHash, n.Seat.Network, n.Seat.Merchant, n.Seat.Partner, n.Seat.Role).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a log-in: %w", partners.AsFault(err))
	}
	return id, nil
}

// AddSeat gives the person of an e-mail address a seat. A second one in the same organisation is a conflict; an address that
// nobody has is not found.
func AddSeat(ctx context.Context, q partners.Querier, email string, n NewSeat) (id program.SeatID, err error) {
	if err := n.Check(); err != nil {
		return 0, fault.Coded(fault.Invalid, "refused", err)
	}
	// name: seat insert
	err = q.QueryRow(ctx, `INSERT INTO seat (login_id, network, merchant_id, partner_id, role)
SELECT id, $2, nullif($3::bigint, 0), nullif($4::bigint, 0), $5 FROM login WHERE email = lower($1) RETURNING id`,
		email, n.Network, n.Merchant, n.Partner, n.Role).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.Coded(fault.NotFound, "not_found", nil)
	}
	if err != nil {
		return 0, fmt.Errorf("adding a seat: %w", partners.AsFault(err))
	}
	return id, nil
}

// EndSeat ends the seat that the person of an e-mail address has in the organisation of a scope, and its sessions at once.
func EndSeat(ctx context.Context, q partners.Querier, email string, of Scope) error {
	// name: seat end
	return ofPerson(ctx, q, `UPDATE seat SET ended_at = now() WHERE login_id = (SELECT id FROM login WHERE email = lower($1))
AND network = $2 AND merchant_id IS NOT DISTINCT FROM nullif($3::bigint, 0) AND partner_id IS NOT DISTINCT FROM nullif($4::bigint, 0) AND ended_at IS NULL`,
		email, of.Network, of.Merchant, of.Partner)
}

// Disable keeps the person of an e-mail address from signing in, and ends their sessions at once.
func Disable(ctx context.Context, q partners.Querier, email string) error {
	// name: login disable
	return ofPerson(ctx, q, `UPDATE login SET disabled_at = coalesce(disabled_at, now()) WHERE email = lower($1)`, email)
}

// Enable lets the person of an e-mail address sign in again.
func Enable(ctx context.Context, q partners.Querier, email string) error {
	// name: login enable
	return ofPerson(ctx, q, `UPDATE login SET disabled_at = NULL WHERE email = lower($1)`, email)
}

// ofPerson runs a statement that is about a person; one that finds no row is about nobody.
func ofPerson(ctx context.Context, q partners.Querier, sql string, args ...any) error {
	tag, err := q.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("changing what a person may do: %w", partners.AsFault(err))
	}
	if tag.RowsAffected() == 0 {
		return fault.Coded(fault.NotFound, "not_found", nil)
	}
	return nil
}

// TakeSeat puts the session that a token is of into another seat of the same person. Any other seat is not found.
func (db *DB) TakeSeat(ctx context.Context, by Actor, token []byte, id program.SeatID) error {
	var taken bool
	// name: session seat
	err := db.acting(ctx, by, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT session_seat($1, $2)`, token, id).Scan(&taken)
	})
	if err != nil {
		return fmt.Errorf("taking a seat: %w", unavailable(err))
	}
	if !taken {
		return fault.Coded(fault.NotFound, "not_found", nil)
	}
	return nil
}
