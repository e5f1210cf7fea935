package tracker

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/tracker/clickid"
)

// newSeller is a merchant with a program for GBP whose terms name two categories, one of them only in the past, and pay for
// all others; and with one for JPY that pays for tea alone.
func newSeller(tb testing.TB, e *edge, began time.Time) shop {
	tb.Helper()
	var s shop
	must(tb, postgres.InTx(tb.Context(), e.db, func(tx pgx.Tx) (err error) {
		if s.merchant, err = partners.CreateMerchant(tb.Context(), tx, "Boots and tea"); err != nil {
			return err
		}
		if s.partner, err = partners.CreatePartner(tb.Context(), tx, partners.NewPartner{Kind: program.Site, Name: "Blog"}); err != nil {
			return err
		}
		if s.key, s.keyID, err = partners.IssueKey(tb.Context(), tx, s.merchant, "", partners.Reporting); err != nil {
			return err
		}
		_, err = partners.CreateProgram(tb.Context(), tx, partners.NewProgram{
			Merchant: s.merchant, Name: "Tea", LandingURL: "https://tea.example/", Currencies: []string{"JPY"},
			Terms: []program.Version{{Document: program.NewDocument(day, 0, 0, program.Rates{program.Member: {"tea": 100_000}})}},
		})
		if err != nil {
			return err
		}
		s.program, err = partners.CreateProgram(tb.Context(), tx, partners.NewProgram{
			Merchant: s.merchant, Name: "Boots", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
			Terms: []program.Version{
				{EffectiveFrom: began, Document: program.NewDocument(day, 0, 0, program.Rates{program.Site: {program.AnyCategory: 50_000, "socks": 100_000}})},
				{EffectiveFrom: began.Add(10 * day), Document: program.NewDocument(30*day, 0, 0, program.Rates{program.Site: {program.AnyCategory: 50_000, "boots": 100_000}})},
			},
		})
		if err != nil {
			return err
		}
		return partners.Enrol(tb.Context(), tx, s.program, s.partner)
	}))
	return s
}

// TestAnOddOrderIsWarnedOfByCode holds that whatever keeps a partner from earning, as far as the tracker can know it, is told
// in the answer, that the order is stored all the same, and that there is no code that nothing gives.
func TestAnOddOrderIsWarnedOfByCode(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	e := &edge{db: engines.Postgres(t)}
	e.theirs = newShop(t, e.db, "EUR")
	s := newSeller(t, e, now.Add(-20*day))
	link, closed := s.newLink(t, e.db, "https://shop.example/boots"), s.newLink(t, e.db, "https://shop.example/old")
	_, err := e.db.Exec(t.Context(), `UPDATE link SET closed_at = now() WHERE id = $1`, closed.ID)
	must(t, err)
	e.start(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	strange, err := clickid.NewRing([]keyring.Key{keyring.Generate(200)})
	must(t, err)
	forger, err := clickid.NewRing([]keyring.Key{keyring.Generate(1)})
	must(t, err)
	click := func(l *partners.Link, age time.Duration) string { return e.ring.Mint(int64(l.ID), now.Add(-age)) }
	stated := func(age time.Duration) string {
		return fmt.Sprintf(`,"occurred_at":%q`, now.Add(-age).Format(time.RFC3339Nano))
	}
	lines := func(categories ...string) string {
		var b []string
		for _, c := range categories {
			b = append(b, fmt.Sprintf(`{"amount":0,"category":%q}`, c))
		}
		return `,"lines":[{"amount":100},` + strings.Join(b, ",") + `]`
	}
	var many []string
	for i := range 2 * maxCategoryWarnings {
		many = append(many, strconv.Itoa(i))
	}
	told := map[string]bool{}
	for _, row := range []struct {
		name, click, currency, more string
		want                        string // each code with its field
	}{
		{"nothing odd", click(link, time.Hour), "GBP", lines("boots", "socks", ""), ""},
		{"no click", "", "GBP", "", ""},
		{"a text that is no click", "abc", "GBP", "", "malformed_click_id click_id"},
		{"a click under a key that is gone", strange.Mint(int64(link.ID), now), "GBP", "", "unknown_click_key click_id"},
		{"a forged click", forger.Mint(int64(link.ID), now), "GBP", "", "forged_click_id click_id"},
		{"a click of no link", e.ring.Mint(1<<40, now), "GBP", "", "unknown_link click_id"},
		{"a click of another shop", click(e.theirs.link, time.Hour), "GBP", "", "link_of_another_merchant click_id"},
		{"a click of a closed link", click(closed, time.Hour), "GBP", "", "closed_link click_id"},
		{"a click after the order", click(link, 0), "GBP", stated(time.Hour), "click_after_order click_id"},
		{"an order from before the terms", click(link, 22*day), "GBP", stated(21 * day), "no_terms_in_force occurred_at; late_report occurred_at"},
		{"a click as old as the window", click(link, 30*day), "GBP", "", ""},
		{"one that is a millisecond older", click(link, 30*day+time.Millisecond), "GBP", "", "outside_window click_id"},
		{"one too old for the terms of then, which the engine tells", click(link, 13*day), "GBP", stated(11 * day), "late_report occurred_at"},
		{"a currency of another program", click(link, time.Hour), "JPY", "", "currency_not_in_program currency"},
		{"a category that no terms name", click(link, time.Hour), "GBP", lines("boots", "Boots", "Boots", "tea"), "category_in_no_terms lines[2].category; category_in_no_terms lines[4].category"},
		{"one of any program, without a click", "", "GBP", lines("boots", "tea", "hats"), "category_in_no_terms lines[3].category"},
		{"categories without end", "", "GBP", lines(many...), strings.TrimSuffix(strings.Repeat("category_in_no_terms *; ", maxCategoryWarnings), "; ")},
		{"a goal, of which trackers hold no rules", click(link, time.Hour), "GBP", `,"goal":"lead"`, ""},
		{"a path with what is none", "", "GBP", fmt.Sprintf(`,"path":[%q,"abc",%q,%q]`, click(link, time.Hour), strange.Mint(int64(link.ID), now), forger.Mint(int64(link.ID), now)), "malformed_click_id path[1]; unknown_click_key path[2]; forged_click_id path[3]"},
		{"48 hours late", "", "GBP", stated(2 * day), ""},
		{"a microsecond more", "", "GBP", stated(2*day + time.Microsecond), "late_report occurred_at"},
		{"everything at once", click(closed, 42*day), "JPY", lines("hats") + stated(11*day), "closed_link click_id; outside_window click_id; currency_not_in_program currency; category_in_no_terms lines[1].category; late_report occurred_at"},
	} {
		before := len(e.records(t))
		a := e.post(t, "/v1/conversions", s.key, fmt.Sprintf(`{"order_id":"1","amount":100,"currency":%q,"click_id":%q%s}`, row.currency, row.click, row.more))
		var answer struct {
			Warnings []struct {
				Code    string `json:"code"`
				Field   string `json:"field"`
				Problem string `json:"problem"`
				Fix     string `json:"fix"`
			} `json:"warnings"`
		}
		must(t, json.Unmarshal([]byte(a.body), &answer))
		var got []string
		for _, w := range answer.Warnings {
			told[w.Code] = true
			if row.name == "categories without end" {
				w.Field = "*"
			}
			got = append(got, w.Code+" "+w.Field)
			if w.Problem == "" || w.Fix == "" {
				t.Errorf("%s: %+v", row.name, w)
			}
		}
		if diff := cmp.Diff(row.want, strings.Join(got, "; ")); diff != "" || a.status != 200 {
			t.Errorf("%s: %d (-want +got):\n%s", row.name, a.status, diff)
		}
		if n := len(e.records(t)) - before; n != 1 {
			t.Errorf("%s: %d records", row.name, n)
		}
	}
	for _, code := range WarningCodes() {
		if !told[code] {
			t.Errorf("nothing gives %s", code)
		}
		delete(told, code)
	}
	if len(told) > 0 {
		t.Errorf("not listed: %v", told)
	}
}
