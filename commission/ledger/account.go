package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"tributary/commission/ledger/chart"
	"tributary/partners/program"
)

// Account names an account: there is exactly one of each name.
type Account struct {
	Kind chart.Kind
	// Merchant, Partner and the member own the account, as the chart says for its kind; 0 and empty where they do not.
	Merchant program.MerchantID
	Partner  program.PartnerID
	// Customer is the member by the merchant's own id.
	Customer string
	// Unit is what it holds: one that money.Exponent knows.
	Unit string
}

// check refuses an account that names others than those who own accounts of its kind.
func (a *Account) check() error {
	entry := a.Kind.Entry()
	if entry.Kind == "" {
		return fmt.Errorf("there are no accounts of kind %q", a.Kind)
	}
	if owner := chart.OwnerOf(a.Merchant != 0, a.Partner != 0, a.Customer != ""); owner != entry.Owner {
		return fmt.Errorf("an account %s is of %s, not of %s", a.Kind, entry.Owner, cmp.Or(owner, "partner and member"))
	}
	return nil
}

// AccountID is the number of an account.
type AccountID int64

// Books posts, and remembers the numbers of the accounts it has posted to, but for those of members. It is safe for several
// goroutines, and its memory is bounded by the number of those accounts (about 120 bytes each).
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

// accountsByName is one look-up for each owner there may be, because an index is not searched for "this one, or none".
const accountsByName = `
SELECT k.n, a.id, a.xmin = pg_current_xact_id()::xid
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) WITH ORDINALITY k (kind, merchant, partner, customer, unit, n)
 CROSS JOIN LATERAL (
       SELECT id, xmin FROM account WHERE kind = k.kind AND unit = k.unit AND merchant_id = k.merchant AND partner_id = k.partner AND customer_no IS NULL
          AND k.customer = ''
       UNION ALL
       SELECT id, xmin FROM account WHERE kind = k.kind AND unit = k.unit AND merchant_id = k.merchant AND partner_id IS NULL AND customer_no IS NULL
          AND k.partner = 0 AND k.customer = ''
       UNION ALL
       SELECT id, xmin FROM account WHERE kind = k.kind AND unit = k.unit AND merchant_id IS NULL AND partner_id = k.partner AND customer_no IS NULL
          AND k.merchant = 0 AND k.customer = ''
       UNION ALL
       SELECT id, xmin FROM account WHERE kind = k.kind AND unit = k.unit AND merchant_id IS NULL AND partner_id IS NULL AND customer_no IS NULL
          AND k.merchant = 0 AND k.partner = 0 AND k.customer = ''
       UNION ALL
       SELECT m.id, m.xmin FROM customer c CROSS JOIN LATERAL (
              SELECT id, xmin FROM account WHERE kind = k.kind AND unit = k.unit AND merchant_id = k.merchant AND partner_id IS NULL AND customer_no = c.no OFFSET 0) m
        WHERE c.merchant_id = k.merchant AND c.customer_id = k.customer AND k.customer <> '') a`

// createCustomers numbers the members among the owners, createAccounts the accounts, both in one order for everybody:
// transactions that need the same new ones wait for one another and never form a circle.
const (
	createCustomers = `
INSERT INTO customer (merchant_id, customer_id)
SELECT DISTINCT merchant, customer FROM unnest($1::bigint[], $2::text[]) k (merchant, customer) WHERE customer <> '' ORDER BY 1, 2
    ON CONFLICT DO NOTHING`
	createAccounts = `
INSERT INTO account (kind, merchant_id, partner_id, customer_no, unit)
SELECT k.kind, nullif(k.merchant, 0), nullif(k.partner, 0), (SELECT no FROM customer c WHERE c.merchant_id = k.merchant AND c.customer_id = k.customer), k.unit
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) k (kind, merchant, partner, customer, unit)
 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT DO NOTHING`
)

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
	names := columns(absent)
	if slices.ContainsFunc(absent, func(a Account) bool { return a.Customer != "" }) {
		if _, err := tx.Exec(ctx, createCustomers, names.merchants, names.customers); err != nil {
			return nil, fmt.Errorf("numbering customers: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, createAccounts, names.args()...); err != nil {
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

// find looks accounts up and remembers them, apart from those of members, which are too many, and those that tx itself has
// created: it may yet be rolled back.
func (b *Books) find(ctx context.Context, tx pgx.Tx, accounts []Account, found map[Account]AccountID) error {
	names := columns(accounts)
	rows, err := tx.Query(ctx, accountsByName, names.args()...)
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
		if !own && accounts[n-1].Customer == "" {
			b.ids[accounts[n-1]] = id
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking up accounts: %w", err)
	}
	return nil
}

// names are those of accounts, column by column.
type names struct {
	kinds, customers, units []string
	merchants, partners     []int64
}

func columns(accounts []Account) names {
	var n names
	for i := range accounts {
		a := &accounts[i]
		n.kinds, n.units, n.customers = append(n.kinds, string(a.Kind)), append(n.units, a.Unit), append(n.customers, a.Customer)
		n.merchants, n.partners = append(n.merchants, int64(a.Merchant)), append(n.partners, int64(a.Partner))
	}
	return n
}

// args are the columns as the statements take them.
func (n *names) args() []any { return []any{n.kinds, n.merchants, n.partners, n.customers, n.units} }
