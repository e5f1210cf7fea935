package access_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

const someHash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

// newOrgs makes a merchant and a partner.
func newOrgs(t *testing.T, db *pgxpool.Pool) (program.MerchantID, program.PartnerID) {
	t.Helper()
	merchant, err := partners.CreateMerchant(t.Context(), db, "Shop")
	if err != nil {
		t.Fatal(err)
	}
	partner, err := partners.CreatePartner(t.Context(), db, partners.NewPartner{Kind: program.Site, Name: "Blog", SiteURL: "https://blog.example"})
	if err != nil {
		t.Fatal(err)
	}
	return merchant, partner
}

func TestALoginHasASeatWithARoleOfItsOrganisation(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	merchant, partner := newOrgs(t, db)
	network := access.Scope{Network: true}
	for _, row := range []struct {
		name, email, hash string
		in                access.Scope
		role              access.Role
		kind              fault.Kind // Internal: taken
	}{
		{"a partner", "Ann@Blog.Example", someHash, access.Scope{Partner: partner}, access.Editor, fault.Internal},
		{"the same e-mail", "ann@blog.example", someHash, network, access.Owner, fault.Conflict},
		{"a merchant", "bo@shop.example", someHash, access.Scope{Merchant: merchant}, access.Finance, fault.Internal},
		{"an operator", "cy@net.example", someHash, network, access.Auditor, fault.Internal},
		{"a role of another organisation", "di@x.example", someHash, access.Scope{Partner: partner}, access.Manager, fault.Invalid},
		{"no role", "di@x.example", someHash, network, "", fault.Invalid},
		{"no organisation", "di@x.example", someHash, access.Scope{}, access.Owner, fault.Invalid},
		{"two organisations", "di@x.example", someHash, access.Scope{Partner: partner, Merchant: merchant}, access.Owner, fault.Invalid},
		{"a merchant that is none", "di@x.example", someHash, access.Scope{Merchant: 99}, access.Owner, fault.NotFound},
		{"a password in place of its hash", "di@x.example", "correct horse battery", network, access.Owner, fault.Invalid},
		{"no e-mail", "x", someHash, network, access.Owner, fault.Invalid},
	} {
		_, err := access.CreateLogin(t.Context(), db, access.NewLogin{Email: row.email, PasswordHash: row.hash, Seat: access.NewSeat{Scope: row.in, Role: row.role}})
		if (err == nil) != (row.kind == fault.Internal) || err != nil && fault.Of(err).Kind != row.kind {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	var logins, seats int
	if err := db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM login), (SELECT count(*) FROM seat)`).Scan(&logins, &seats); err != nil || logins != 3 || seats != 3 {
		t.Errorf("%d log-ins and %d seats, %v", logins, seats, err)
	}
}

func TestTheTablesKnowTheRolesOfTheTable(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	merchant, partner := newOrgs(t, db)
	roles := []access.Role{access.Owner, access.Admin, access.Payouts, access.Support, access.Auditor, access.Manager, access.Finance, access.Developer, access.Editor, access.Viewer}
	if _, err := db.Exec(t.Context(), `INSERT INTO login (email, password_hash) VALUES ('a@x.example', $1)`, someHash); err != nil {
		t.Fatal(err)
	}
	for org, in := range map[access.Org]access.Scope{access.OfNetwork: {Network: true}, access.OfMerchant: {Merchant: merchant}, access.OfPartner: {Partner: partner}} {
		for _, role := range roles {
			tx, err := db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(t.Context(), `INSERT INTO seat (login_id, network, merchant_id, partner_id, role) VALUES (1, $1, nullif($2::bigint, 0), nullif($3::bigint, 0), $4)`,
				in.Network, in.Merchant, in.Partner, role)
			if known := access.May(org, role, access.See); known != (err == nil) {
				t.Errorf("%s of a %s: known %v, and the table says %v", role, org, known, err)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
