package report

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/test/schemes"
)

// Of every record that is kept a partner gets its own credits with their prices and its own touches, and of coupon and customer
// what became of them. A partner that it does not name gets neither.
func TestARecordIsCutToOnePartner(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	paths, err := filepath.Glob("../commission/testdata/records/form-1/*.json")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d records: %v", len(paths), err)
	}
	for _, path := range paths {
		record, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for partner := program.PartnerID(1); partner <= 10; partner++ {
			want, err := commission.UnmarshalRecord(record)
			if err != nil {
				t.Fatal(err)
			}
			leaveOwn(&want, partner)
			var text string
			if err := db.QueryRow(t.Context(), `SELECT partner_record($1, $2)`, string(record), int64(partner)).Scan(&text); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			got, err := commission.UnmarshalRecord([]byte(text))
			if err != nil {
				t.Fatalf("%s for partner %d: %v\n%s", path, partner, err, text)
			}
			if diff := cmp.Diff(string(want.AppendJSON(nil)), string(got.AppendJSON(nil))); diff != "" {
				t.Errorf("%s for partner %d (-want +got):\n%s", path, partner, diff)
			}
		}
	}
	var text string
	if err := db.QueryRow(t.Context(), `SELECT partner_record('{"form": 2, "order": {}, "new": 3}', 1)`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	if form, err := commission.FormOf([]byte(text)); form != 2 || err != nil || strings.Contains(text, "new") {
		t.Errorf("a record of form 2 is cut to one of form %d (%v): %s", form, err, text)
	}
}

// What a partner's unshared credit counts for in periods is the same by its own record as by the whole one.
func TestAnOwnRecordCountsAsTheWhole(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	paths, err := filepath.Glob("../commission/testdata/records/form-1/*.json")
	if err != nil {
		t.Fatal(err)
	}
	rules := schemes.Rules(
		0,
		program.Period{ID: "orders", Period: program.Month, Measure: program.MeasureCount, Cap: 2},
		program.Period{ID: "revenue", Period: program.Ever, Measure: program.MeasureRevenue, Tiers: []program.Tier{{From: 100, Percent: 10_000}}},
	)
	sums := func(d *commission.Decision, i int) map[period.Key]period.Sums {
		all := map[period.Key]period.Sums{}
		for _, c := range period.Contributions(d, i) {
			all[c.Key] = all[c.Key].Plus(c.Sums)
		}
		return all
	}
	counted := 0
	for _, path := range paths {
		record, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := commission.UnmarshalRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole.Credits {
			whole.Credits[i].Count(&whole.Order, rules, func(_ *program.Counting, line int) bool { return line != 1 })
		}
		written := string(whole.AppendJSON(nil))
		for i := range whole.Credits {
			c := &whole.Credits[i]
			if c.Role != commission.RolePartner || c.Weight > 0 || c.Counted == nil {
				continue
			}
			var text string
			if err := db.QueryRow(t.Context(), `SELECT partner_record($1, $2)`, written, int64(c.Partner)).Scan(&text); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			own, err := commission.UnmarshalRecord([]byte(text))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			of := slices.IndexFunc(own.Credits, func(o commission.Credit) bool { return o.Earner() == c.Earner() })
			if diff := cmp.Diff(sums(&whole, i), sums(&own, of)); diff != "" {
				t.Errorf("%s: partner %d counts (-whole record +its own):\n%s", path, c.Partner, diff)
			}
			counted += len(sums(&whole, i))
		}
	}
	if counted < 20 {
		t.Errorf("only %d credits count in a period", counted)
	}
}

// Of the touches a partner gets its own, though not who the customer is, and of those that are nobody's the kind and the reason.
func TestTouchesAreCutToOnePartner(t *testing.T) {
	t.Parallel()
	const record = `{"outcome": "credited", "order": {}, "touches": [
		{"kind": "click", "id": "forged", "reason": "forged_click_id"},
		{"kind": "click", "id": "own", "reason": "outranked", "partner": 7, "part": "introducer"},
		{"kind": "soft", "id": "other's", "reason": "outranked", "partner": 8, "part": "closer"},
		{"kind": "coupon", "id": "OWN", "won": true, "reason": "credited", "partner": 7, "rank": "exclusive"},
		{"kind": "coupon", "id": "OTHER", "reason": "outranked", "partner": 8},
		{"kind": "code", "id": "NOBODY", "reason": "unknown_coupon"},
		{"kind": "claim", "id": "k-1", "reason": "claim_open", "partner": 8},
		{"kind": "customer", "id": "c-77", "reason": "outranked", "partner": 7}]}`
	want := []commission.Touch{
		{Kind: commission.TouchClick, ID: "own", Reason: commission.Outranked, Partner: 7, Part: commission.Introducer},
		{Kind: commission.TouchCoupon, ID: "OWN", Won: true, Reason: commission.Credited, Partner: 7, Rank: commission.RankExclusive},
		{Kind: commission.TouchCode, Reason: commission.UnknownCoupon},
		{Kind: commission.TouchCustomer, Reason: commission.Outranked, Partner: 7},
	}
	var text string
	if err := engines.Postgres(t).QueryRow(t.Context(), `SELECT partner_record($1, 7)`, record).Scan(&text); err != nil {
		t.Fatal(err)
	}
	got, err := commission.UnmarshalRecord([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Touches); diff != "" {
		t.Errorf("touches (-want +got):\n%s", diff)
	}
}

// leaveOwn leaves in a decision what one partner may read.
func leaveOwn(d *commission.Decision, partner program.PartnerID) {
	d.Credits = slices.DeleteFunc(d.Credits, func(c commission.Credit) bool { return c.Partner != partner })
	for i := range d.Credits {
		c := &d.Credits[i]
		c.From = nil // for whose part it is paid is the merchant's to know
		if c.Weight > 0 {
			c.FeeExact = money.Product{}
		}
	}
	d.Touches = slices.DeleteFunc(d.Touches, func(t commission.Touch) bool { return t.Kind == commission.TouchClick && t.Partner != partner })
	for i := range d.Touches {
		if t := &d.Touches[i]; t.Kind != commission.TouchClick {
			*t = commission.Touch{Kind: t.Kind, Reason: t.Reason}
		}
	}
}

// The list of commissions and the explanation of one look their orders up by number, to whomever they are shown.
func TestOrdersOfAListAreLookedUp(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	owner, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	for _, sql := range []string{
		`INSERT INTO orders (no, merchant_id, order_id, lane, version, outcome, decision) SELECT n, 1, n, 0, 1, 'credited', '{}' FROM generate_series(1, 20000) n`,
		`INSERT INTO order_event (order_no, kind, ref, event_id, occurred_at, received_at, content_hash, payload)
			SELECT n, 1, '', gen_random_uuid(), now() - interval '1 hour', now(), '', '' FROM generate_series(1, 20000) n`,
		`INSERT INTO commission (order_no, partner_id, merchant_id, program_id, link_id, lane, occurred_at, currency, lines, revenue, refunded, gross, net, fee, hold_until, state, pending, payable, role, unit, leads, counts)
			SELECT n, n % 100, 1, 1, 1, 0, now() - n * interval '1 minute', 'GBP', 1, 100, 0, 10, 10, 2, now(), 'pending', 10, 0, 'partner', 'GBP', true, true FROM generate_series(1, 20000) n WHERE n % 100 > 0`,
		`ANALYZE orders, order_event, commission`,
	} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := postgres.Open(t.Context(), engines.As(url, postgres.Dashboard), postgres.Dashboard, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	planned := func(sql string) string {
		rows, err := owner.Query(t.Context(), "EXPLAIN "+sql)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines, "\n")
	}
	var lookUp string
	if err := owner.QueryRow(t.Context(), `SELECT replace(prosrc, 'of_order', quote_literal('107')) FROM pg_proc WHERE proname = 'find_order'`).Scan(&lookUp); err != nil {
		t.Fatal(err)
	}
	if plan := planned(lookUp); strings.Contains(plan, "Seq Scan on order") || strings.Contains(plan, "Seq Scan on commission") || !strings.Contains(plan, "orders_key") {
		t.Errorf("an order is looked up by its id in this way:\n%s", plan)
	}
	condition, order := CommissionFilter{}.following()
	list := strings.NewReplacer("@merchant", "0", "@partner", "7", "@state", "''", "@program", "0", "@link", "0", "@currency", "''", "@from", "'-infinity'", "@to", "'infinity'",
		"@text", "''", "@at", "now()", "@no", "100000", "@who", "0", "@tie", "''", "@limit", "51").Replace(`WITH page AS (` + commissionsSQL + condition + order + ` LIMIT @limit) ` + commissionNames + order)
	for name, sql := range map[string]string{
		"the list":         list,
		"an order":         `SELECT record, whole::text FROM scoped_order WHERE no = 107`,
		"an order's facts": `SELECT kind FROM scoped_order_event WHERE order_no = 107`,
	} {
		for _, scope := range []access.Scope{{Partner: 7}, {Merchant: 1}, {Network: true}} {
			err := access.New(pool).Read(t.Context(), scope, func(tx pgx.Tx) error {
				rows, err := tx.Query(t.Context(), "EXPLAIN "+sql)
				if err != nil {
					return err
				}
				lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if plan := strings.Join(lines, "\n"); strings.Contains(plan, "Seq Scan on order") || strings.Contains(plan, "Seq Scan on commission") {
					t.Errorf("%s, for %+v, is read through:\n%s", name, scope, plan)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
