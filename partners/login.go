package partners

import (
	"context"
	"fmt"

	"tributary/partners/program"
)

// NewLogin is a person who may sign in. Partner is set for role "partner", Merchant for role "merchant".
type NewLogin struct {
	Email        string
	Name         string
	Role         string
	PasswordHash string // argon2id in PHC text
	Partner      program.PartnerID
	Merchant     program.MerchantID
}

// CreateLogin adds a person. The e-mail is kept in lower case; one that is known already is a conflict.
func CreateLogin(ctx context.Context, q Querier, n NewLogin) (program.LoginID, error) {
	var id program.LoginID
	// name: login insert
	err := q.QueryRow(ctx, `INSERT INTO login (email, name, password_hash, role, partner_id, merchant_id)
VALUES (lower($1), $2, $3, $4, nullif($5::bigint, 0), nullif($6::bigint, 0)) RETURNING id`,
		n.Email, n.Name, n.PasswordHash, n.Role, n.Partner, n.Merchant).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a log-in: %w", asFault(err))
	}
	return id, nil
}
