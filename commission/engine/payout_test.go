package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/commission/audit"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/internal/postgres"
)

// payoutLines are what the payouts of these tests follow from: a source that exists here only.
const payoutLines = `CREATE TABLE payout_line (no bigint PRIMARY KEY, merchant bigint, partner bigint, unit text, amount bigint, settled boolean)`

// checkPayouts is the check that such a source brings: each line has taken its amount from the partner under version 1 and,
// once it is settled, from the bank under version 2, and nothing else is posted.
func checkPayouts(ctx context.Context, v *audit.Verification) error {
	return v.Rows(ctx, "payouts follow from their lines", audit.Broken, `
WITH wanted AS (
  SELECT no, 1 AS version, 'partner_payable' AS debit, 'payout_clearing' AS credit, merchant, unit, partner, amount FROM payout_line
  UNION ALL SELECT no, 2, 'payout_clearing', 'bank', NULL, unit, NULL, amount FROM payout_line WHERE settled),
posted AS (
  SELECT p.source_no AS no, p.version, p.n, d.kind AS debit, c.kind AS credit, d.merchant_id AS merchant, p.unit, d.partner_id AS partner, p.amount
    FROM posting p JOIN account d ON d.id = p.debit JOIN account c ON c.id = p.credit WHERE p.source = 3)
SELECT 'posting', format('(3, %s, %s, %s)', coalesce(w.no, p.no), coalesce(w.version, p.version), coalesce(p.n, 0)), 'amount',
       coalesce(w.amount::text, 'none'), coalesce(p.amount::text, 'none')
  FROM wanted w FULL JOIN posted p ON (p.no, p.version, p.n) = (w.no, w.version, 0)
 WHERE (w.debit, w.credit, w.merchant, w.unit, w.partner, w.amount) IS DISTINCT FROM (p.debit, p.credit, p.merchant, p.unit, p.partner, p.amount)
 ORDER BY 2 LIMIT $1`, v.Limit)
}

// payOut posts a payout line: from the partner to clearing, and from there to the bank.
func (w *world) payOut(no int64, amount int64) {
	w.t.Helper()
	partner := w.partners[0]
	payable := ledger.Account{Kind: chart.PartnerPayable, Merchant: 1, Partner: partner, Unit: "GBP"}
	clearing, bank := ledger.Account{Kind: chart.PayoutClearing, Unit: "GBP"}, ledger.Account{Kind: chart.Bank, Unit: "GBP"}
	w.exec(`INSERT INTO payout_line VALUES ($1, 1, $2, 'GBP', $3, true)`, no, int64(partner), amount)
	check(w.t, postgres.InTx(w.t.Context(), w.config("payouts").DB, func(tx pgx.Tx) error {
		return ledger.NewBooks().Post(w.t.Context(), tx, []ledger.Posting{
			{Source: chart.OfPayoutLine, No: no, Version: 1, Debit: payable, Credit: clearing, Amount: amount, EffectiveAt: w.clock()},
			{Source: chart.OfPayoutLine, No: no, Version: 2, Debit: clearing, Credit: bank, Amount: amount, EffectiveAt: w.clock()},
		})
	}))
}

// owed is what is payable to the first partner at the first merchant.
func (w *world) owed() int64 {
	w.t.Helper()
	balances, err := ledger.MerchantBalances(w.t.Context(), w.db, 1, w.clock())
	check(w.t, err)
	for _, b := range balances {
		if b.Account == (ledger.Account{Kind: chart.PartnerPayable, Merchant: 1, Partner: w.partners[0], Unit: "GBP"}) {
			return b.Amount()
		}
	}
	return 0
}

func TestAPayoutIsASourceWithACheckOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(payoutLines)
	w.setClock(noon().Add(35 * day))
	stop := w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 20_000))
	w.waitIdle()
	stop()
	equal(t, "payable before", w.owed(), 3000)
	w.payOut(1, 1000)
	w.payOut(2, 500)
	w.sealAll(50)
	equal(t, "payable after", w.owed(), 1500)
	checked := w.audited()
	checked.Sources = audit.Sources()
	checked.Sources[chart.OfPayoutLine] = checkPayouts
	found := func(harm string) (payouts []string) {
		t.Helper()
		tx, err := w.db.Begin(t.Context())
		check(t, err)
		defer tx.Rollback(t.Context())
		_, err = tx.Exec(t.Context(), `SET LOCAL session_replication_role = replica`)
		check(t, err)
		if harm != "" {
			_, err = tx.Exec(t.Context(), harm)
			check(t, err)
		}
		verdict, err := audit.VerifyIn(t.Context(), tx, checked)
		check(t, err)
		for _, f := range verdict.Findings {
			if f.Check == "payouts follow from their lines" || harm == "" {
				payouts = append(payouts, f.String())
			}
		}
		return payouts
	}
	equal(t, "sound books", found(""), nil)
	const again = `INSERT INTO posting (source, source_no, version, n, debit, credit, amount, unit, effective_at)
		SELECT source, source_no, version, n + 1, debit, credit, amount, unit, effective_at FROM posting WHERE source = 3 AND source_no = 2 AND version = `
	const gone = `DELETE FROM posting WHERE source = 3 AND source_no = 2 AND version = `
	for harm, want := range map[string]string{
		gone + "1":  "(3, 2, 1, 0), amount: want 500, have none",
		gone + "2":  "(3, 2, 2, 0), amount: want 500, have none",
		again + "1": "(3, 2, 1, 1), amount: want none, have 500",
		again + "2": "(3, 2, 2, 1), amount: want none, have 500",
		`UPDATE payout_line SET settled = false WHERE no = 1`: "(3, 1, 2, 0), amount: want none, have 1000",
	} {
		if got := found(harm); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s\nis found as %q, want %q", harm, got, want)
		}
	}
	// Without the check its postings are nobody's.
	verdict, err := audit.Verify(t.Context(), w.audited())
	check(t, err)
	equal(t, "postings that nobody checks", verdict.Broken, 4)
	for _, f := range verdict.Findings {
		equal(t, "why", f.Check, "every posting has a check")
	}
}
