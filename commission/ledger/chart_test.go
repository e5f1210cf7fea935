package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/commission/ledger/chart"
	"tributary/internal/postgres"
	"tributary/partners/program"
)

// The chart is in the code and in the database; who adds to one of them adds to the other.
func TestTheDatabaseHasTheChart(t *testing.T) {
	t.Parallel()
	owner, _ := open(t)
	rows, err := owner.Query(t.Context(), `SELECT kind, number, grows, owner FROM account_kind ORDER BY number`)
	check(t, err)
	kinds, err := pgx.CollectRows(rows, pgx.RowToStructByPos[chart.Entry])
	check(t, err)
	equal(t, "account kinds", kinds, chart.Kinds())
	var allowed []chart.Source
	for source := range chart.Source(20) {
		_, err := owner.Exec(t.Context(), `INSERT INTO posting (source, source_no, version, n, debit, credit, amount, unit, effective_at)
			VALUES ($1, 1, 1, 0, 1, 2, 5, 'GBP', now())`, source)
		if code(err) == "23503" { // past the CHECK: the accounts do not exist
			allowed = append(allowed, source)
		}
	}
	var listed []chart.Source
	for _, s := range chart.Sources() {
		listed = append(listed, s.Source)
	}
	equal(t, "posting sources", allowed, listed)
}

// Whose the accounts of a kind are is held by the database, whoever writes.
func TestAnAccountNamesItsOwnersOnly(t *testing.T) {
	t.Parallel()
	owner, engine := open(t)
	_, err := engine.Exec(t.Context(), `INSERT INTO customer (merchant_id, customer_id) VALUES (1, 'c-1'), (2, 'c-2')`)
	check(t, err)
	for _, kind := range chart.Kinds() {
		for _, names := range []struct {
			merchant, partner, customer string
		}{
			{"NULL", "NULL", "NULL"},
			{"1", "NULL", "NULL"},
			{"NULL", "1", "NULL"},
			{"1", "1", "NULL"},
			{"1", "NULL", "1"},
			{"NULL", "NULL", "1"},
			{"1", "1", "1"},
			{"NULL", "1", "1"},
		} {
			want := "23503"
			if chart.OwnerOf(names.merchant != "NULL", names.partner != "NULL", names.customer != "NULL") == kind.Owner {
				want = ""
			}
			sql := fmt.Sprintf(`INSERT INTO account (kind, merchant_id, partner_id, customer_no, unit) VALUES ('%s', %s, %s, %s, 'GBP')`,
				kind.Kind, names.merchant, names.partner, names.customer)
			_, err := engine.Exec(t.Context(), sql)
			equal(t, sql, code(err), want)
		}
	}
	expectCode(t, "a kind that is in no chart", owner, `INSERT INTO account (kind, merchant_id, unit) VALUES ('goodwill', 1, 'GBP')`, "23503")
	expectCode(t, "a second account of the network", owner, `INSERT INTO account (kind, unit) VALUES ('bank', 'GBP')`, "23505")
	expectCode(t, "another merchant's customer", owner, `INSERT INTO account (kind, merchant_id, customer_no, unit) VALUES ('wallet', 1, 2, 'EUR')`, "23503")
	expectCode(t, "a customer's second wallet", owner, `INSERT INTO account (kind, merchant_id, customer_no, unit) VALUES ('wallet', 1, 1, 'GBP')`, "23505")
	expectCode(t, "a merchant that does not exist", owner, `INSERT INTO account (kind, merchant_id, unit) VALUES ('fee_earned', 4711, 'GBP')`, "23503")
}

// A payout goes from the partner by clearing to the bank: two accounts of the network itself.
func TestTheNetworkHasAccountsOfItsOwn(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	payable := Account{Kind: chart.PartnerPayable, Merchant: 1, Partner: 1, Unit: "GBP"}
	clearing, bank := Account{Kind: chart.PayoutClearing, Unit: "GBP"}, Account{Kind: chart.Bank, Unit: "GBP"}
	released := earned(1, 1, 1000, noon())
	released.Credit = payable
	payout := Posting{Source: chart.OfPayoutLine, No: 1, Version: 1, Debit: payable, Credit: clearing, Amount: 600, EffectiveAt: noon()}
	settled := Posting{Source: chart.OfPayoutLine, No: 1, Version: 2, Debit: clearing, Credit: bank, Amount: 600, EffectiveAt: noon()}
	for _, b := range []*Books{NewBooks(), NewBooks()} { // the second finds the accounts of the first
		post(t, db, b, released, payout, settled)
		released.No, payout.No, settled.No = 2, 2, 2
	}
	equal(t, "the merchant's accounts", amounts(t, owner, noon()), map[Account]int64{receivable("GBP"): 2000, payable: 800})
	totals, err := TrialBalance(t.Context(), owner, noon())
	check(t, err)
	equal(t, "trial balance", totals, []Total{
		{Kind: chart.Bank, Unit: "GBP", Accounts: 1, Credits: 1200},
		{Kind: chart.MerchantReceivable, Unit: "GBP", Accounts: 1, Debits: 2000},
		{Kind: chart.PartnerPayable, Unit: "GBP", Accounts: 1, Debits: 1200, Credits: 2000},
		{Kind: chart.PayoutClearing, Unit: "GBP", Accounts: 1, Debits: 1200, Credits: 1200},
	})
}

// Members have accounts by the merchant's own id for them, one for each unit. Their numbers are not remembered: there are
// as many as customers.
func TestAMemberHasAccountsAtItsMerchant(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	given := func(no int64, merchant program.MerchantID, customer, unit string, amount int64) Posting {
		return Posting{
			Source: chart.OfOrder, No: no, Version: 1, Amount: amount, EffectiveAt: noon(),
			Debit:  Account{Kind: chart.PromotionsIssued, Merchant: merchant, Unit: unit},
			Credit: Account{Kind: chart.WalletPending, Merchant: merchant, Customer: customer, Unit: unit},
		}
	}
	b := NewBooks()
	post(t, db, b, given(1, 1, "c-1", "GBP", 500), given(2, 1, "c-1", "POINT", 700), given(3, 1, "c-2", "GBP", 20), given(4, 2, "c-1", "GBP", 9))
	post(t, db, b, given(5, 1, "c-1", "GBP", 100))
	equal(t, "accounts that are remembered", len(b.ids), 1) // the merchant's own that was found
	for _, row := range []struct {
		merchant program.MerchantID
		customer string
		want     map[string]int64
	}{
		{1, "c-1", map[string]int64{"GBP": 600, "POINT": 700}}, {1, "c-2", map[string]int64{"GBP": 20}}, {2, "c-1", map[string]int64{"GBP": 9}}, {2, "c-2", map[string]int64{}},
	} {
		balances, err := CustomerBalances(t.Context(), owner, row.merchant, row.customer, time.Time{})
		check(t, err)
		got := make(map[string]int64)
		for _, b := range balances {
			equal(t, "whose", b.Account, Account{Kind: chart.WalletPending, Merchant: row.merchant, Customer: row.customer, Unit: b.Unit})
			got[b.Unit] = b.Amount()
		}
		equal(t, fmt.Sprintf("of %s at merchant %d", row.customer, row.merchant), got, row.want)
	}
	equal(t, "of merchants, without their customers", amounts(t, owner, noon()), map[Account]int64{
		{Kind: chart.PromotionsIssued, Merchant: 1, Unit: "GBP"}: 620, {Kind: chart.PromotionsIssued, Merchant: 1, Unit: "POINT"}: 700,
		{Kind: chart.PromotionsIssued, Merchant: 2, Unit: "GBP"}: 9,
	})
	wrong := given(6, 0, "c-1", "GBP", 1)
	err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error { return NewBooks().Post(t.Context(), tx, []Posting{wrong}) })
	if _, is := errors.AsType[*PostingError](err); !is {
		t.Errorf("a member of no merchant: %v", err)
	}
}

// code is PostgreSQL's code of an error: empty for none, and for one of another origin.
func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}
