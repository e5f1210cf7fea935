package evidence

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/test/engines"
)

// TestTheOrdersOfACustomerAreLookedUpByIndex explains the statements on a table that holds rows and has no statistics, as the
// engine's transactions run them, and reads what they give.
func TestTheOrdersOfACustomerAreLookedUpByIndex(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, sql := range []string{
		`ALTER TABLE customer_seen SET (autovacuum_enabled = off)`,
		`INSERT INTO customer_seen (merchant_id, customer_id, at, ref, order_no, sale, void, view)
			SELECT 1 + n % 2, 'c' || (n % 50), '2026-03-01T12:00:00Z'::timestamptz + n * interval '1 s', 'o' || n, 7, true, false, '{"nth":1}' FROM generate_series(1, 3000) AS s (n)`,
	} {
		_, err := db.Exec(t.Context(), sql)
		check(t, err)
	}
	customer := Customer{Merchant: 1, ID: "c4"}
	at := func(n int) Place {
		return Place{Customer: customer, At: noon.Add(time.Duration(n) * time.Second), Ref: "o104"}
	}
	check(t, pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`)
		check(t, err)
		for sql, want := range map[string]string{customerBefore: "(ROW(at, ref) <= ROW(k.at, k.ref))", customerAround: "(ROW(at, ref) > ROW(k.at, k.ref))", customerFrom: ">= ROW(k.at, k.ref))", customerBinds: "(merchant_id = k.merchant) AND (customer_id = k.customer)"} {
			rows, err := tx.Query(t.Context(), "EXPLAIN "+strings.NewReplacer("$1", "'{1}'", "$2", "'{c4}'", "$3", "'{now}'", "$4", "'{o}'", "$5", "100").Replace(sql))
			check(t, err)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			check(t, err)
			if plan := strings.Join(lines, "\n"); !strings.Contains(plan, want) || strings.Contains(strings.ReplaceAll(plan, "One-Time Filter", ""), "Filter") {
				t.Errorf("it does not look up %s:\n%s", want, plan)
			}
		}
		before, err := Before(t.Context(), tx, []Place{at(104), at(103), at(1)})
		check(t, err)
		if got := refs(before); got != "o104 o54; o54 o4; " {
			t.Errorf("before: %s", got)
		}
		before, behind, err := Around(t.Context(), tx, []Place{at(104), at(103), at(1), at(9999)})
		check(t, err)
		if got := refs(before); got != "o104 o54; o54 o4; ; o2954" {
			t.Errorf("around, before: %s", got)
		}
		if behind[0].Ref != "o154" || behind[1].Ref != "o104" || behind[2].Ref != "o4" || behind[3] != nil {
			t.Errorf("around, behind: %v", behind)
		}
		from, err := From(t.Context(), tx, []Place{at(104), at(103), at(1)}, 2)
		check(t, err)
		if got := refs(from); got != "o54 o104 o154; o54 o104 o154; o4 o54" {
			t.Errorf("from: %s", got)
		}
		return nil
	}))
}

func refs(all [][]commission.Seen) string {
	var lists []string
	for _, list := range all {
		var refs []string
		for _, s := range list {
			refs = append(refs, s.Ref)
		}
		lists = append(lists, strings.Join(refs, " "))
	}
	return strings.Join(lists, "; ")
}
