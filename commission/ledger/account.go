package ledger

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"tributary/partners/program"
)

// Kind says what an account is for.
type Kind string

// The kinds of account, as the table knows them.
const (
	// MerchantReceivable is what a merchant owes: commissions and the network's fees on them.
	MerchantReceivable Kind = "merchant_receivable"
	// PartnerPending is what a partner has earned and the hold still keeps back.
	PartnerPending Kind = "partner_pending"
	// PartnerPayable is what a partner may be paid.
	PartnerPayable Kind = "partner_payable"
	// FeePending is the network's fee on commissions that are pending.
	FeePending Kind = "fee_pending"
	// FeeEarned is the network's fee on commissions that became payable.
	FeeEarned Kind = "fee_earned"
)

// IsDebit tells whether an account of the kind grows by debits: something that is owed to the network. The others
// grow by credits.
func (k Kind) IsDebit() bool { return k == MerchantReceivable }

// Account names an account: there is exactly one of each name.
type Account struct {
	Kind     Kind
	Merchant program.MerchantID
	// Partner owns the account, or is 0 for the kinds that no partner owns.
	Partner program.PartnerID
	// Unit is what it holds: an ISO 4217 code.
	Unit string
}

// AccountID is the number of an account.
type AccountID int64

// Books posts, and remembers the numbers of the accounts it has posted to. It is safe for several goroutines, and its
// memory is bounded by the number of accounts (about 100 bytes each).
type Books struct {
	mu  sync.RWMutex
	ids map[Account]AccountID
}

// NewBooks makes books that remember nothing yet.
func NewBooks() *Books {
	return &Books{ids: make(map[Account]AccountID)}
}

// Forget drops what is remembered of the accounts, for after an error that says that one of them does not exist.
func (b *Books) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.ids)
}

// accountsByName is the same look-up twice, because an index is not searched for "this partner, or none".
const accountsByName = `
SELECT k.n, a.id, a.xmin = pg_current_xact_id()::xid
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) WITH ORDINALITY k (kind, merchant, partner, unit, n)
  JOIN account a ON a.kind = k.kind AND a.merchant_id = k.merchant AND a.partner_id = k.partner AND a.unit = k.unit
 WHERE k.partner <> 0
UNION ALL
SELECT k.n, a.id, a.xmin = pg_current_xact_id()::xid
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) WITH ORDINALITY k (kind, merchant, partner, unit, n)
  JOIN account a ON a.kind = k.kind AND a.merchant_id = k.merchant AND a.partner_id IS NULL AND a.unit = k.unit
 WHERE k.partner = 0`

// createAccounts inserts in one order for everybody: transactions that need the same new accounts wait for one another
// and never form a circle.
const createAccounts = `
INSERT INTO account (kind, merchant_id, partner_id, unit)
SELECT kind, merchant, nullif(partner, 0), unit
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) k (kind, merchant, partner, unit)
 ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING`

// resolve gives the numbers of all accounts that the postings name, and creates those that do not exist. It should be
// called once in a transaction that creates accounts: what is created stays locked until it ends.
func (b *Books) resolve(ctx context.Context, tx pgx.Tx, postings []Posting) (map[Account]AccountID, error) {
	missing := b.unknown(postings)
	found := make(map[Account]AccountID, len(missing))
	if len(missing) == 0 {
		return found, nil
	}
	if err := b.find(ctx, tx, missing, found); err != nil {
		return nil, err
	}
	absent := missing[:0]
	for _, a := range missing {
		if _, ok := found[a]; !ok {
			absent = append(absent, a)
		}
	}
	if len(absent) == 0 {
		return found, nil
	}
	kinds, merchants, owners, units := columns(absent)
	if _, err := tx.Exec(ctx, createAccounts, kinds, merchants, owners, units); err != nil {
		return nil, fmt.Errorf("creating %d accounts: %w", len(absent), err)
	}
	if err := b.find(ctx, tx, absent, found); err != nil {
		return nil, err
	}
	for _, a := range absent {
		if found[a] == 0 {
			return nil, fmt.Errorf("creating account %+v: it is not there", a)
		}
	}
	return found, nil
}

// unknown lists, once each, the accounts whose numbers are not remembered.
func (b *Books) unknown(postings []Posting) []Account {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var missing []Account
	seen := make(map[Account]struct{})
	for i := range postings {
		for _, a := range [2]*Account{&postings[i].Debit, &postings[i].Credit} {
			if _, known := b.ids[*a]; known {
				continue
			}
			if _, again := seen[*a]; !again {
				seen[*a] = struct{}{}
				missing = append(missing, *a)
			}
		}
	}
	return missing
}

// find looks accounts up and remembers them, apart from those that tx itself has created: it may yet be rolled back.
func (b *Books) find(ctx context.Context, tx pgx.Tx, accounts []Account, found map[Account]AccountID) error {
	kinds, merchants, owners, units := columns(accounts)
	rows, err := tx.Query(ctx, accountsByName, kinds, merchants, owners, units)
	if err != nil {
		return fmt.Errorf("looking up accounts: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var n int64
	var id AccountID
	var own bool
	_, err = pgx.ForEachRow(rows, []any{&n, &id, &own}, func() error {
		found[accounts[n-1]] = id
		if !own {
			b.ids[accounts[n-1]] = id
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking up accounts: %w", err)
	}
	return nil
}

func columns(accounts []Account) (kinds []string, merchants, owners []int64, units []string) {
	for _, a := range accounts {
		kinds = append(kinds, string(a.Kind))
		merchants = append(merchants, int64(a.Merchant))
		owners = append(owners, int64(a.Partner))
		units = append(units, a.Unit)
	}
	return kinds, merchants, owners, units
}
