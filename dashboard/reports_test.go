package dashboard

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tributary/internal/clickhouse"
	"tributary/partners"
)

// A reportedClick and a reportedOrder are what the reference below counts: rows as they were written, without a database.
type reportedClick struct {
	link *partners.Link
	at   time.Time
}

type reportedOrder struct {
	link     *partners.Link
	at       time.Time
	currency string
}

// reportWorld is a network with clicks and orders of every tenant, spread over a hundred days.
type reportWorld struct {
	*world

	clicked []reportedClick
	ordered []reportedOrder
}

func newReportWorld(tb testing.TB) *reportWorld {
	tb.Helper()
	w := &reportWorld{world: newWorld(tb)}
	second := w.newLink(w.program, w.site, "second", "")
	w.learn()
	w.bulk = true
	for i := range 240 {
		link := []*partners.Link{w.link, w.memberLink, second, w.foreign}[i%4]
		at := w.now.Add(-time.Duration(i) * 10 * time.Hour)
		w.clicks(link, at, 1+i%3)
		for range 1 + i%3 {
			w.clicked = append(w.clicked, reportedClick{link, at})
		}
		if i%3 != 0 {
			continue
		}
		currency := []string{"GBP", "EUR"}[i/3%2]
		if link == w.foreign {
			currency = "USD"
		}
		w.order(sale{id: fmt.Sprintf("O-%d", i), merchant: link.Merchant, link: link, at: at, currency: currency})
		w.ordered = append(w.ordered, reportedOrder{link, at, currency})
	}
	w.flush()
	return w
}

// belongs is the policy of tenants, written a second time: whose rows a scope holds.
func (sc scope) belongs(l *partners.Link) bool {
	return sc.operator || sc.partner != 0 && sc.partner == l.Partner || sc.partner == 0 && sc.merchant != 0 && sc.merchant == l.Merchant
}

// reference counts clicks and orders of a question by day, link or partner as ask does, from the rows themselves.
func (w *reportWorld) reference(q question, by grouping) (clicked, ordered map[string]int64) {
	clicked, ordered = map[string]int64{}, map[string]int64{}
	in := func(l *partners.Link, at time.Time) bool {
		hour := at.Truncate(time.Hour)
		return q.scope.belongs(l) && !hour.Before(q.period.From) && hour.Before(q.period.To) &&
			(q.partner == 0 || q.partner == int64(l.Partner)) && (q.link == 0 || q.link == int64(l.ID))
	}
	group := func(l *partners.Link, at time.Time) string {
		return map[grouping]string{
			perDay: at.Format(time.DateOnly), perLink: number10(int64(l.ID)), perPartner: number10(int64(l.Partner)), perMerchant: number10(int64(l.Merchant)),
		}[by]
	}
	for _, c := range w.clicked {
		if in(c.link, c.at) {
			clicked[group(c.link, c.at)]++
		}
	}
	for _, o := range w.ordered {
		if in(o.link, o.at) {
			ordered[group(o.link, o.at)]++
		}
	}
	return clicked, ordered
}

// asked is ask with its groups as text.
func (w *reportWorld) asked(tb testing.TB, q question, m measure, by grouping) map[string]int64 {
	tb.Helper()
	out := map[string]int64{}
	if by == perDay {
		figures, err := ask[time.Time](tb.Context(), w.ch, q, m, by)
		if err != nil {
			tb.Fatal(err)
		}
		for day, n := range figures {
			out[day.UTC().Format(time.DateOnly)] = n
		}
		return out
	}
	figures, err := ask[int64](tb.Context(), w.ch, q, m, by)
	if err != nil {
		tb.Fatal(err)
	}
	for id, n := range figures {
		out[number10(id)] = n
	}
	return out
}

func (w *reportWorld) scopes() []scope {
	return []scope{{}, {partner: w.site}, {partner: w.member}, {partner: w.outsid}, {merchant: w.shop}, {merchant: w.rival}, {operator: true}, {partner: w.site, merchant: w.rival}}
}

// FuzzReportFilter asks the reports with any address that a person could type and compares the answer with the rows
// counted in Go (S21).
func FuzzReportFilter(f *testing.F) {
	w := newReportWorld(f)
	f.Add(uint8(1), uint8(0), "days=7", int64(0), int64(0), "GBP")
	f.Add(uint8(4), uint8(1), "from=2026-01-01&to=2026-12-31", int64(1), int64(0), "EUR' OR 1=1 --")
	f.Add(uint8(6), uint8(2), "days=90", int64(0), int64(3), "")
	f.Add(uint8(0), uint8(3), "days=90&days=7", int64(-1), int64(9223372036854775807), "{tenant:Int64}")
	f.Add(uint8(7), uint8(0), "days=90", int64(0), int64(0), "\x00\\'\"`")
	f.Add(uint8(2), uint8(1), "from=0001-01-01&to=9999-12-31", int64(0), int64(0), "ÄÖÜ\t\n")
	f.Fuzz(func(t *testing.T, who, group uint8, query string, partner, link int64, currency string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			values = nil
		}
		scopes, groups := w.scopes(), []grouping{perDay, perLink, perPartner, perMerchant}
		q := question{
			scope: scopes[int(who)%len(scopes)], period: readPeriod(values, w.now), partner: partner, link: link, currency: currency,
		}
		by := groups[int(group)%len(groups)]
		wantClicks, wantOrders := w.reference(q, by)
		if got := w.asked(t, q, clicks(), by); !maps.Equal(got, wantClicks) {
			t.Errorf("clicks of %+v by %s: %v, want %v", q, by, got, wantClicks)
		}
		if got := w.asked(t, q, credited(), by); !maps.Equal(got, wantOrders) {
			t.Errorf("orders of %+v by %s: %v, want %v", q, by, got, wantOrders)
		}
		// Money asks by currency as the person typed it.
		known := currency == "GBP" || currency == "EUR" || currency == "USD"
		if got := w.asked(t, q, earned(), by); len(got) > 0 && !known {
			t.Errorf("currency %q has earnings: %v", currency, got)
		}
	})
}

// S21: texts that people type are values, not parts of a query, whatever they hold.
func TestNoTextBecomesPartOfAReportsQuery(t *testing.T) {
	t.Parallel()
	w := newReportWorld(t)
	c := w.as("site@example.net")
	for _, text := range []string{
		"'", "' OR '1'='1", "1; DROP TABLE touch", "{tenant:Int64}", "GBP' UNION ALL SELECT name, 1 FROM system.tables --", `\`, `\'`, "\x00", "🦊", "%27", "/*", "sub1) FROM system.users --",
	} {
		typed := url.QueryEscape(text)
		for _, path := range []string{
			"/partner?currency=" + typed, "/partner?days=" + typed, "/partner?from=" + typed + "&to=" + typed,
			"/partner/links/" + number10(int64(w.link.ID)) + "?by=" + typed, "/partner/links?q=" + typed, "/partner/commissions?after=" + typed,
			"/partner/days.csv?currency=" + typed,
		} {
			got := c.get(path)
			if got.status != 200 || strings.Contains(got.body, "cannot be read at the moment") {
				t.Errorf("%s: status %d: %.200s", path, got.status, got.text())
			}
		}
	}
	for _, path := range []string{"/partner/links/" + url.PathEscape("1 OR 1=1"), "/partner/commissions/" + url.PathEscape("1'")} {
		if got := c.get(path); got.status != 404 {
			t.Errorf("%s: status %d", path, got.status)
		}
	}
}

// S21: what was typed arrives at the server as it was typed.
func TestParametersArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	for _, text := range []string{"", "GBP", "a\tb", "a\nb\r\n", `\`, `\'`, `\\'`, `'`, `''`, `"`, "`", "\x00", `\N`, `\0`, "ÄÖÜ 🦊", "{x:String}", "%s ? $1", `') --`, "\xff\xfe"} {
		var got string
		err := w.ch.QueryRow(clickhouse.WithParameters(t.Context(), clickHouseLimit, map[string]string{"x": text}, nil), "SELECT {x:String}").Scan(&got)
		if err != nil || got != text {
			t.Errorf("%q arrives as %q: %v", text, got, err)
		}
	}
}

// S21: a query that somebody else wrote, sent as a page's queries are, neither changes anything, nor leaves its tenant, nor
// takes its bounds off.
func TestAQueryOfAPageCannotLeaveItsTenant(t *testing.T) {
	t.Parallel()
	w := newReportWorld(t)
	total := map[string]int64{}
	for _, table := range []string{"touch", "touch_hourly", "ledger", "ledger_hourly", "order_event"} {
		var n int64
		w.must(w.ch.QueryRow(t.Context(), "SELECT toInt64(count()) FROM "+table).Scan(&n))
		total[table] = n
		for _, sc := range w.scopes() {
			column, id := "partner_id", int64(sc.partner)
			if sc.partner == 0 {
				column, id = "merchant_id", int64(sc.merchant)
			}
			// order_event names no partner, so a partner's queries see nothing of it.
			own := fmt.Sprintf("SELECT toInt64(countIf(%s = %d)) FROM %s", column, id, table)
			if table == "order_event" && column == "partner_id" || sc == (scope{}) {
				own = "SELECT toInt64(0)"
			}
			var want, got int64
			w.must(w.ch.QueryRow(t.Context(), own).Scan(&want))
			if sc.operator {
				want = n
			}
			ctx := clickhouse.WithParameters(t.Context(), clickHouseLimit, nil, sc.only())
			for _, injected := range []string{"SELECT toInt64(count()) FROM %s", "WITH x AS (SELECT * FROM %s AS y) SELECT toInt64(count()) FROM x WHERE 1 OR 1"} {
				w.must(w.ch.QueryRow(ctx, fmt.Sprintf(injected, table)).Scan(&got))
				if got != want || n == 0 {
					t.Errorf("%s as %+v: %d rows of %d, want %d", table, sc, got, n, want)
				}
			}
		}
	}
	for _, statement := range []string{
		"SELECT toInt64(count()) FROM touch SETTINGS readonly = 0", "SELECT toInt64(count()) FROM touch SETTINGS additional_table_filters = {}",
		"SELECT toInt64(count()) FROM touch SETTINGS max_execution_time = 0", "SELECT toInt64(sum(number)) FROM numbers(10000000000)",
		"INSERT INTO touch (partner_id) VALUES (1)", "TRUNCATE TABLE touch", "DROP TABLE touch",
		"SELECT toInt64(count()) FROM file('/etc/passwd', 'LineAsString')", "SELECT toInt64(count()) FROM url('http://127.0.0.1:1/', 'LineAsString')",
		"SELECT toInt64(count()) FROM remote('127.0.0.1', currentDatabase(), 'touch')", "SELECT toInt64(count()) FROM executable('id', 'LineAsString', 'x String')",
	} {
		var n int64
		err := w.ch.QueryRow(clickhouse.WithParameters(t.Context(), clickHouseLimit, nil, scope{partner: w.site}.only()), statement).Scan(&n)
		if _, answered := clickhouse.Code(err); !answered {
			t.Errorf("%s: %d, %v", statement, n, err)
		}
	}
	for table, n := range total {
		var now int64
		w.must(w.ch.QueryRow(t.Context(), "SELECT toInt64(count()) FROM "+table).Scan(&now))
		if now != n {
			t.Errorf("%s had %d rows and has %d", table, n, now)
		}
	}
}

// S21: what a query is made of besides its parameters are the constants of this package.
func TestGroupingsAndOriginsAreIdentifiers(t *testing.T) {
	t.Parallel()
	identifier := regexp.MustCompile(`^[a-z0-9_]+$|^toStartOfDay\(hour\)$`)
	for _, by := range []grouping{perDay, perLink, perPartner, perMerchant} {
		if !identifier.MatchString(string(by)) {
			t.Errorf("%q", by)
		}
	}
	for _, text := range []string{"", "sub1", "sub6", "user_agent", "ip_prefix", "click_id", "1", "sub1)"} {
		if o := originOf(text); !identifier.MatchString(o.column) || o.column != text && o != origins()[0] {
			t.Errorf("%q gives %q", text, o.column)
		}
	}
}
