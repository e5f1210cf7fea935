package engine

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/commission/rerun"
	"tributary/commission/whatif"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/engines"
)

// richTerms use most of what a document can say. %d is a partner with a hold of their own.
const richTerms = `{"schema":1,"currency":"GBP","zone":"America/New_York","hold":"30d","refund_window":"20d","network_fee":200000,
 "attribution":{"model":"position","bind":{"months":1},"touches":{"click":{"window":"20d","min_age":"15s"},"coupon":{},"code":{},"soft":{"window":"7d"}}},
 "zero":[{"id":"own","where":{"coupon":["STAFF"]},"code":"staff_coupon"}],
 "rules":[{"id":"gold","where":{"category":"gold"},"pay":{"percent":400000}},
  {"id":"new","where":{"customer":"new"},"adds":true,"pay":{"fixed":500}},
  {"id":"any","pay":{"percent":100000,"max":1500}},
  {"id":"up","to":"recruiter","pay":{"percent":100000,"of":"commission"}},
  {"id":"friend","to":"customer","where":{"customer":"new","order_amount":{"min":3000}},"pay":{"fixed":500,"unit":"POINT"}}],
 "overrides":[{"group":"vip","rules":[{"id":"vip","pay":{"percent":120000}}]},{"partner":%d,"hold":"7d"}],
 "periods":[{"id":"volume","measure":"revenue","period":"month","tiers":[{"from":20000,"percent":20000},{"from":40000,"percent":40000}]},
  {"id":"cap","measure":"commission","period":"month","cap":12000},
  {"id":"many","measure":"count","period":"week","mode":"retroactive","tiers":[{"from":3,"each":50}]},
  {"id":"past-five","measure":"count","period":"month","tiers":[{"from":5,"percent":30000}]},
  {"id":"found","to":"recruiter","measure":"commission","period":"ever","tiers":[{"from":500,"once":2000}]}]}`

// rich is a world with a merchant more, whose program has richTerms, coupons, groups and recruiters, and a second, plain program.
type rich struct {
	*world

	program, plain program.ProgramID
	links          []program.LinkID // of each partner: to the program, then to the plain one
}

// richMerchant is that merchant.
const richMerchant = 3

func newRich(tb testing.TB) *rich {
	tb.Helper()
	w := &rich{world: newWorldOf(tb, lanes, 4)}
	ctx := tb.Context()
	merchant, err := partners.CreateMerchant(ctx, w.db, "rich")
	check(tb, err)
	document, err := program.ParseDocument(fmt.Appendf(nil, richTerms, w.partners[2]))
	check(tb, err)
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	check(tb, postgres.InTx(ctx, w.db, func(tx pgx.Tx) error {
		for _, p := range []struct {
			id    *program.ProgramID
			terms program.Document
		}{{&w.program, document}, {&w.plain, program.NewDocument(10*day, 10*day, 100_000, program.Rates{program.Site: {"*": 50_000}})}} {
			var err error
			*p.id, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
				Merchant: merchant, Name: fmt.Sprint("program ", p.terms.Zone), LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
				Terms: []program.Version{{EffectiveFrom: long, Document: p.terms}},
			})
			for _, partner := range w.partners {
				if err == nil {
					err = partners.Enrol(ctx, tx, *p.id, partner)
				}
			}
			if err != nil {
				return err
			}
		}
		for _, f := range []struct {
			partner     int
			kind, value string
			from        time.Time
		}{
			{0, "group", "vip", noon().Add(-5 * day)},
			{1, "recruiter", fmt.Sprint(w.partners[0]), long},
			{3, "property", "browser_extension", noon()},
			{3, "own", `{"rules":[{"id":"own","pay":{"percent":70000}}]}`, noon().Add(9 * day)},
		} {
			_, err := tx.Exec(ctx, `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, effective_from, author) VALUES ($1, $2, $3, $4, $5, 'test')`,
				w.program, w.partners[f.partner], f.kind, f.value, f.from)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO coupon (program_id, code, written, kind, partner_id, exclusive, effective_from, effective_until, author)
		VALUES ($1, 'alone', 'ALONE', 'coupon', $2, true, $4, NULL, 'test'), ($1, 'shared', 'SHARED', 'coupon', $3, false, $4, $5, 'test'),
		       ($1, 'via', 'VIA', 'code', $3, false, $4, NULL, 'test')`, w.program, int64(w.partners[0]), int64(w.partners[1]), long, noon().Add(10*day))
		return err
	}))
	for _, id := range []program.ProgramID{w.program, w.plain} {
		for _, p := range w.partners {
			w.links = append(w.links, w.addLink(id, p))
		}
	}
	return w
}

// history makes up orders of the merchant over two months, with refunds: the same for the same seed.
func (w *rich) history(seed uint64, orders int) (events []*event.Event) {
	random := rand.New(rand.NewPCG(seed, 5))
	for i := range orders {
		at := noon().Add(time.Duration(random.IntN(60*24*3600)-30*24*3600) * time.Second)
		visit := func() string {
			return clickOn(w.links[random.IntN(len(w.links))], at.Add(-time.Duration(random.IntN(25*24*3600))*time.Second))
		}
		e := sale(richMerchant, fmt.Sprint("R", i), "", 1+random.Int64N(9_000), random.Int64N(7_000))
		s := e.GetSale()
		e.OccurredAt, e.ReceivedAt = event.Micros(at), event.Micros(at.Add(2*time.Second))
		if random.IntN(4) > 0 {
			s.ClickId = visit()
		}
		for range random.IntN(3) {
			s.Path = append(s.Path, &event.Touch{ClickId: visit(), Kind: uint32(event.PathClick)})
		}
		s.Coupon = []string{"", "", "", "", "Alone", "shared", "STAFF", "nobody's"}[random.IntN(8)]
		s.ReferralCode = []string{"", "", "", "", "via"}[random.IntN(5)]
		s.CustomerId = []string{"", "a", "b", "c", "d", fmt.Sprint("one of many ", i)}[random.IntN(6)]
		s.Lines[random.IntN(2)].Category = []string{"goods", "gold"}[random.IntN(2)]
		s.ContentHash = event.SaleHash(s, e.GetOccurredAt())
		events = append(events, e)
		for r := range max(0, random.IntN(5)-2) {
			after := at.Sub(noon()) + time.Duration(random.IntN(70*24))*time.Hour
			events = append(events, refund(richMerchant, s.GetOrderId(), fmt.Sprint("r", r), after, random.Int64N(4)*random.Int64N(3_000)))
		}
	}
	for i := range events {
		if random.IntN(5) == 0 {
			events = append(events, events[i])
		}
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

// live has two engines take a history in, has people review and claim some orders, and lets time pass.
func (w *rich) live(events []*event.Event) {
	w.t.Helper()
	w.setClock(noon().Add(-20 * day))
	for _, name := range []string{"one", "two"} {
		cfg := w.config(name)
		cfg.SliceSize = 20
		w.start(cfg)
	}
	third := len(events) / 3
	w.send(events[:third]...)
	w.waitIdle()
	w.setClock(noon().Add(15 * day))
	w.send(events[third:]...)
	w.waitIdle()
	for _, said := range []commission.Reviewed{
		{Order: "R1", Verb: commission.Void, Code: "trial"},
		{Order: "R5", Verb: commission.Void, Code: "trial"},
		{Order: "R8", Verb: commission.Void, Code: "trial"},
		{Order: "R20", Verb: commission.Hold},
		{Order: "R21", Verb: commission.Decline, Code: "fraud"},
		{Order: "R22", Verb: commission.Approve},
		{Order: "R23", Verb: commission.Decline, Code: "fraud", Partner: int64(w.partners[1])},
		{Order: "R24", Verb: commission.Decline, Code: "fraud", Partner: int64(w.partners[0])},
	} {
		said.Merchant = richMerchant
		check(w.t, postgres.InTx(w.t.Context(), w.db, func(tx pgx.Tx) error { return w.reviewIn(tx, said, commission.ByOperator, time.Time{}) }))
	}
	for i, outcome := range []commission.ClaimOutcome{commission.ClaimIsOpen, commission.ClaimIsGranted, commission.ClaimIsDeclined} {
		for _, is := range []commission.ClaimOutcome{commission.ClaimIsOpen, outcome}[:min(i+1, 2)] {
			said := commission.Claimed{Merchant: richMerchant, Order: fmt.Sprint("R", 10+i), Claim: fmt.Sprint("k", i), Program: w.program, Partner: w.partners[i], Outcome: is}
			content, err := json.Marshal(&said)
			check(w.t, err)
			row := inbox.Row{Kind: inbox.Claim, Key: said.Key(), Ref: said.Claim, Content: content, Author: "a test", At: noon().Add(time.Duration(i) * day)}
			row.Lane = event.Lane(row.Key, w.partitions)
			check(w.t, inbox.Write(w.t.Context(), w.db, row))
		}
	}
	w.taken(13)
	w.joined()
	w.setClock(noon().Add(32 * day))
	w.waitIdle()
	w.eventually("periods are settled", func() bool { return w.number(`SELECT count(*) FROM period_delta`) == 0 })
	w.waitIdle()
	w.clean()
}

// asReader runs work as the log-in that only reads, in a snapshot.
func (w *world) asReader(work func(tx pgx.Tx) error) {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), engines.As(w.url, postgres.Reader), postgres.Reader, 1)
	check(w.t, err)
	defer db.Close()
	check(w.t, pgx.BeginTxFunc(w.t.Context(), db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, work))
}

func (w *rich) simulate(asked rerun.Asked) (r *rerun.Result) {
	w.t.Helper()
	w.asReader(func(tx pgx.Tx) (err error) {
		r, err = rerun.Simulate(w.t.Context(), tx, asked)
		return err
	})
	return r
}

// simulatePage simulates as a page does in the scope of the merchant.
func (w *rich) simulatePage(asked rerun.Asked) (r *rerun.Result) {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), engines.As(w.url, postgres.Dashboard), postgres.Dashboard, 1)
	check(w.t, err)
	defer db.Close()
	check(w.t, access.New(db).Read(w.t.Context(), access.Scope{Merchant: richMerchant}, func(tx pgx.Tx) (err error) {
		r, err = rerun.Simulate(w.t.Context(), tx, asked)
		return err
	}))
	return r
}

// earned is what the books say that everybody has of the program.
func (w *rich) earned() map[commission.Earner]rerun.Earned {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `SELECT partner_id, role, unit, sum(orders)::bigint, sum(periods)::bigint, sum(fee)::bigint FROM (
		SELECT partner_id, role, unit, net AS orders, 0 AS periods, fee FROM commission WHERE program_id = $1
		UNION ALL SELECT partner_id, role, unit, 0, net, fee FROM period WHERE program_id = $1) u GROUP BY 1, 2, 3`, w.program)
	check(w.t, err)
	all := map[commission.Earner]rerun.Earned{}
	var of commission.Earner
	var role string
	var sums rerun.Earned
	_, err = pgx.ForEachRow(rows, []any{&of.Partner, &role, &of.Unit, &sums.Orders, &sums.Periods, &sums.Fee}, func() (err error) {
		if of.Role, err = commission.ParseRole(role); sums != (rerun.Earned{}) {
			all[of] = sums
		}
		return err
	})
	check(w.t, err)
	return all
}

// TestSimulatingTheTermsThatStandGivesTheBooks holds both sides of a simulation against the books, to the cent: under the terms that
// stand, and under the same document as if it were others. Click ids are verified, or as they are recorded.
func TestSimulatingTheTermsThatStandGivesTheBooks(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	w.live(w.history(1, 240))
	want := w.earned()
	if len(want) < 6 {
		t.Errorf("few earn: %v", want)
	}
	same, err := whatif.ReadTerms(strings.NewReader(fmt.Sprintf(richTerms, w.partners[2])))
	check(t, err)
	for name, asked := range map[string]rerun.Asked{
		"as they stand":            {VerifyClick: verifyClick},
		"as recorded, without key": {},
		"the same as others":       {Terms: same, VerifyClick: verifyClick},
	} {
		asked.Program, asked.In = w.program, rerun.Always()
		result := w.simulate(asked)
		old, other := map[commission.Earner]rerun.Earned{}, map[commission.Earner]rerun.Earned{}
		for _, p := range result.Partners {
			of := commission.Earner{Partner: p.Partner, Role: p.Role, Unit: p.Unit}
			if p.Old != (rerun.Earned{}) {
				old[of] = p.Old
			}
			if p.New != (rerun.Earned{}) {
				other[of] = p.New
			}
		}
		if diff := cmp.Diff(want, old); diff != "" {
			t.Errorf("%s: the terms that stand (-books +simulated):\n%s", name, diff)
		}
		if diff := cmp.Diff(want, other); diff != "" {
			t.Errorf("%s: the others (-books +simulated):\n%s", name, diff)
		}
		equal(t, name+": orders", result.Orders, 240)
		equal(t, name+": credited", result.Credited.Old, w.number(`SELECT count(DISTINCT order_no) FROM commission WHERE program_id = $1 AND state <> 'declined'`, w.program))
		equal(t, name+": changed", result.Changed+int64(len(result.Most)+len(result.Outcomes)), 0)
		if diff := cmp.Diff(result, w.simulatePage(asked)); diff != "" {
			t.Errorf("%s: the merchant's page (-reader +page):\n%s", name, diff)
		}
	}
}

// replay rebuilds the books from what a transaction sees, its own changes included.
func (w *world) replay(tx pgx.Tx, in rerun.Range) *rerun.Replayed {
	w.t.Helper()
	r, err := rerun.Replay(w.t.Context(), tx, rerun.Replaying{In: in, VerifyClick: verifyClick})
	check(w.t, err)
	return r
}

// tampered is what a replay finds after a change of rows that nobody may make, and that is rolled back.
func (w *rich) tampered(sql string) []rerun.Difference {
	w.t.Helper()
	ctx := w.t.Context()
	tx, err := w.db.Begin(ctx)
	check(w.t, err)
	defer tx.Rollback(ctx)
	for _, statement := range []string{`SET LOCAL session_replication_role = replica`, sql, `SET LOCAL app.operator = 'on'`} {
		_, err = tx.Exec(ctx, statement)
		check(w.t, err)
	}
	return w.replay(tx, rerun.Always()).Differences
}

// TestOtherTermsAreSimulated has terms that change one thing each, and asks what of it is said.
func TestOtherTermsAreSimulated(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.start(w.config("one"))
	var events []*event.Event
	for i := range 4 {
		e := sale(1, fmt.Sprint("A", i), clickOn(w.links[i%2], noon().Add(-10*day)), int64(1+i)*10_000)
		e.GetSale().CustomerId = []string{"c", "d"}[i/2]
		e.OccurredAt = event.Micros(noon().Add(time.Duration(i) * time.Hour))
		e.ReceivedAt = e.GetOccurredAt()
		e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
		events = append(events, e)
	}
	w.send(events...)
	w.waitIdle()
	for _, row := range []struct{ name, terms, from, want string }{
		{"twice the rate", `"touches":{"click":{}}},"hold":"30d","network_fee":200000,"rules":[{"pay":{"percent":200000}}]`, "", "4 4 4; 10000 20000; 2000 4000; A3 4000 8000; "},
		{"a shorter window", `"touches":{"click":{"window":"5d"}}},"hold":"30d","network_fee":200000,"rules":[{"pay":{"percent":100000}}]`, "", "4 0 4; 10000 0; 2000 0; A3 4000 0; credited outside_window 4"},
		{
			"new customers alone", `"touches":{"click":{}}},"hold":"30d","network_fee":0,"rules":[{"where":{"customer":"new"},"pay":{"percent":100000}}]`, "",
			"4 2 2; 10000 4000; 2000 0; A3 4000 0; credited no_rule 2",
		},
		{
			"of whom one bought before the range", `"touches":{"click":{}}},"hold":"30d","network_fee":200000,"rules":[{"where":{"customer":"new"},"pay":{"percent":100000}}]`,
			"2026-03-01T12:30:00Z", "3 1 2; 9000 3000; 1800 600; A3 4000 0; credited no_rule 2",
		},
		{"bound to the first", `"bind":{"life":true},"touches":{"click":{}}},"hold":"30d","network_fee":200000,"rules":[{"pay":{"percent":100000}}]`, "", "4 4 2; 10000 10000; 2000 2000; A3 4000 4000; "},
	} {
		terms, err := whatif.ReadTerms(strings.NewReader(`{"schema":1,"attribution":{` + row.terms + `}`))
		check(t, err)
		asked := rerun.Asked{Program: w.programs[0], Terms: terms, In: rerun.Always(), VerifyClick: verifyClick}
		if row.from != "" {
			asked.In.From, err = time.Parse(time.RFC3339, row.from)
			check(t, err)
		}
		w.asReader(func(tx pgx.Tx) error {
			r, err := rerun.Simulate(t.Context(), tx, asked)
			check(t, err)
			got := fmt.Sprintf("%d %d %d; ", r.Credited.Old, r.Credited.New, r.Changed)
			got += fmt.Sprintf("%d %d; %d %d; ", r.Totals[0].Old.Net(), r.Totals[0].New.Net(), r.Totals[0].Old.Fee, r.Totals[0].New.Fee)
			if len(r.Most) > 0 {
				got += fmt.Sprintf("%s %d %d", r.Most[0].Order, r.Most[0].Old, r.Most[0].New)
			}
			if got += "; "; len(r.Outcomes) > 0 {
				got += fmt.Sprintf("%s %s %d", r.Outcomes[0].Old, r.Outcomes[0].New, r.Outcomes[0].Orders)
			}
			equal(t, row.name, got, row.want)
			return nil
		})
	}
	equal(t, "written", w.number(`SELECT (SELECT count(*) FROM customer_seen) + (SELECT count(*) FROM period)`), 0)
}

// TestReplayedBooksAreIdentical replays a world whole and in part, and once for each change of a row, which it names.
func TestReplayedBooksAreIdentical(t *testing.T) {
	t.Parallel()
	w := newRich(t)
	w.live(w.history(2, 150))
	w.asReader(func(tx pgx.Tx) error {
		all := w.replay(tx, rerun.Always())
		equal(t, "differences", fmt.Sprint(all.Differences), "[]")
		equal(t, "orders", all.Orders, 150)
		equal(t, "periods", all.Periods, w.number(`SELECT count(*) FROM period`))
		equal(t, "postings", all.Postings, w.number(`SELECT count(*) FROM posting WHERE source = 1`)+w.number(`SELECT count(*) FROM
			(SELECT DISTINCT source_no, debit, credit, effective_at FROM posting WHERE source = 2) p`))
		equal(t, "waiting", all.Waiting+all.Partial, 0)
		return nil
	})
	w.asReader(func(tx pgx.Tx) error {
		newYork, err := time.LoadLocation("America/New_York")
		check(t, err)
		march := w.replay(tx, rerun.Range{From: time.Date(2026, 3, 1, 0, 0, 0, 0, newYork), To: time.Date(2026, 4, 1, 0, 0, 0, 0, newYork)})
		equal(t, "differences in March", fmt.Sprint(march.Differences), "[]")
		if march.Orders == 0 || march.Orders == 150 || march.Partial == 0 || march.Periods == 0 {
			t.Errorf("March: %+v", march)
		}
		return nil
	})
	for _, row := range []struct{ name, sql, want string }{
		{"a posting of an order", `UPDATE posting SET amount = amount + 1 WHERE (source_no, version, n) = (SELECT source_no, version, n FROM posting
			WHERE source = 1 ORDER BY 1, 2, 3 LIMIT 1) AND source = 1`, `postings from`},
		{"a posting of a period", `DELETE FROM posting WHERE source = 2 AND source_no = (SELECT no FROM period WHERE rule = 'volume' AND net > 0 ORDER BY no LIMIT 1)`, `rule "volume", day 2026-0`},
		{"what a line earns", `UPDATE orders SET decision = regexp_replace(decision::text, '"rate":400000', '"rate":300000')::json
			WHERE no = (SELECT min(no) FROM orders WHERE decision::text LIKE '%"id":"gold","rate":400000%')`, `, rule "gold": rate of rule "gold"`},
		{"a fact", `UPDATE order_event SET payload = (SELECT payload FROM order_event o WHERE o.order_no <> e.order_no AND o.kind = 1 AND o.payload <> e.payload LIMIT 1)
			FROM order_event e WHERE e.order_no = order_event.order_no AND order_event.kind = 1 AND order_event.order_no = (SELECT min(order_no) FROM commission WHERE net > 0)`, `: facts: want`},
		{"what an order names", `UPDATE orders SET decision = regexp_replace(decision::text, '"credits":.*', '"credits":[]}')::json
			WHERE no = (SELECT min(order_no) FROM commission WHERE net > 0 AND role = 'partner')`, `, line 1, rule "`},
		{"the record of a period", `UPDATE period SET record = replace(record::text, '"amount":50,', '"amount":51,')::json WHERE no = (SELECT min(no) FROM period
			WHERE record::text LIKE '%"amount":50,%')`, `want 50, have 51`},
		{"all of a period", `DELETE FROM period WHERE no = (SELECT min(no) FROM period WHERE net > 0)`, `have no such period`},
		{"how a customer stands", `UPDATE customer_seen SET view = '{"nth":7}' WHERE order_no = (SELECT min(order_no) FROM customer_seen)`, ``},
	} {
		found := w.tampered(row.sql)
		text := make([]string, len(found))
		for i := range found {
			text[i] = found[i].String()
		}
		if all := strings.Join(text, "\n"); row.want == "" && len(found) > 0 || row.want != "" && !strings.Contains(all, row.want) {
			t.Errorf("%s: want %q in:\n%s", row.name, row.want, all)
		}
	}
}
