package ledger

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/commission/ledger/chart"
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
	for _, kind := range chart.Kinds() {
		for _, names := range []struct {
			merchant, partner string
			owner             chart.Owner
		}{
			{"NULL", "NULL", chart.Network},
			{"1", "NULL", chart.Merchant},
			{"NULL", "1", chart.Partner},
			{"1", "1", chart.MerchantAndPartner},
		} {
			want := "23503"
			if names.owner == kind.Owner {
				want = ""
			}
			sql := fmt.Sprintf(`INSERT INTO account (kind, merchant_id, partner_id, unit) VALUES ('%s', %s, %s, 'GBP')`, kind.Kind, names.merchant, names.partner)
			_, err := engine.Exec(t.Context(), sql)
			equal(t, sql, code(err), want)
		}
	}
	expectCode(t, "a kind that is in no chart", owner, `INSERT INTO account (kind, merchant_id, unit) VALUES ('goodwill', 1, 'GBP')`, "23503")
	expectCode(t, "a second account of the network", owner, `INSERT INTO account (kind, unit) VALUES ('bank', 'GBP')`, "23505")
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

// code is PostgreSQL's code of an error: empty for none, and for one of another origin.
func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}
