package report

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"tributary/internal/clickhouse"
	"tributary/partners/access"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// A place is where a click or an order counts.
type place struct{ merchant, program, partner, link int64 }

// A counted click or order is a row as it was written.
type counted struct {
	place

	at       time.Time
	currency string // of an order
}

// rows are clicks and orders of every tenant, spread over a hundred days, in a database of their own.
type rows struct {
	conn   clickhouse.Conn
	reader *Reader
	now    time.Time
	clicks []counted
	orders []counted
}

// The tenants: partners 1 and 2 of merchant 1, partner 3 of merchant 2; partner 1 has two links.
func places() []place { return []place{{1, 1, 1, 1}, {1, 1, 2, 2}, {1, 1, 1, 3}, {2, 2, 3, 4}} }

func newRows(tb testing.TB) *rows {
	tb.Helper()
	conn, err := clickhouse.Open(engines.ClickHouseMigrated(tb), 4)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	r := &rows{conn: conn, reader: New(nil, conn), now: time.Now().UTC().Truncate(time.Second)}
	for i := range 240 {
		at := places()[i%4]
		when := r.now.Add(-time.Duration(i)*10*time.Hour - time.Duration(i%7)*11*time.Minute)
		for range 1 + i%3 {
			r.clicks = append(r.clicks, counted{place: at, at: when})
		}
		if i%3 == 0 {
			currency := []string{"GBP", "EUR"}[i/3%2]
			if at.merchant == 2 {
				currency = "USD"
			}
			r.orders = append(r.orders, counted{place: at, at: when, currency: currency})
		}
	}
	r.write(tb)
	return r
}

// write sends the rows as the loader does.
func (r *rows) write(tb testing.TB) {
	tb.Helper()
	var clicks, ledger, events [][]any
	for _, c := range r.clicks {
		clicks = append(clicks, []any{uuid.New(), "click", c.at, c.at, c.merchant, c.program, c.partner, c.link})
	}
	for i, o := range r.orders {
		ledger = append(ledger, []any{uuid.New(), o.at, o.at, o.at, int64(i), o.merchant, o.program, o.partner, o.link, o.currency, int32(1), int64(700)})
		events = append(events, []any{uuid.New(), "sale", o.at, o.at, o.merchant, strconv.Itoa(i), o.currency})
	}
	r.insert(tb, "touch (event_id, kind, received_at, occurred_at, merchant_id, program_id, partner_id, link_id)", clicks)
	r.insert(tb, "ledger (event_id, received_at, occurred_at, ordered_at, order_no, merchant_id, program_id, partner_id, link_id, currency, orders, net)", ledger)
	r.insert(tb, "order_event (event_id, kind, received_at, occurred_at, merchant_id, order_id, currency)", events)
}

func (r *rows) insert(tb testing.TB, into string, list [][]any) {
	tb.Helper()
	batch, err := r.conn.PrepareBatch(tb.Context(), "INSERT INTO "+into)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = batch.Close() }()
	for _, values := range list {
		if err := batch.Append(values...); err != nil {
			tb.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		tb.Fatal(err)
	}
}

// holds is the policy of tenants, written a second time: whose rows a scope holds.
func holds(scope access.Scope, at place) bool {
	return scope.Network || scope.Partner != 0 && int64(scope.Partner) == at.partner || scope.Merchant != 0 && int64(scope.Merchant) == at.merchant
}

// reference counts the rows of a question by a dimension, in Go.
func reference(q Question, by Dimension, list []counted) map[int64]int64 {
	counts := map[int64]int64{}
	for _, c := range list {
		if !holds(q.Scope, c.place) || c.at.Before(q.Period.From) || !c.at.Before(q.Period.To) ||
			q.Partner != 0 && q.Partner != c.partner || q.Link != 0 && q.Link != c.link {
			continue
		}
		group := map[Dimension]int64{ByLink: c.link, ByPartner: c.partner, ByMerchant: c.merchant, byDay: int64(civil(c.at.In(q.Period.From.Location())))}[by]
		counts[group]++
	}
	return counts
}

// Whole days of a viewer's zone are cut at its own midnight, to the quarter hour, also where clocks change. The rows of each
// day lie a minute within its ends.
func TestDaysAreThoseOfTheViewersZone(t *testing.T) {
	t.Parallel()
	r := newRows(t)
	names := []string{"UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Chatham"}
	r.clicks, r.orders = nil, nil
	for i, name := range names {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for day := range 40 {
			midnight := dayAfter(r.now.In(zone), -day)
			for n, at := range []time.Time{midnight.Add(-time.Minute), midnight, midnight.Add(time.Minute)} {
				c := counted{place: places()[(i+n)%4], at: at.UTC(), currency: "GBP"}
				r.clicks, r.orders = append(r.clicks, c), append(r.orders, c)
			}
		}
	}
	r.clear(t)
	r.write(t)
	for _, name := range names {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		period, err := ParsePeriod(url.Values{"days": {"30"}}, r.now.In(zone))
		if err != nil {
			t.Fatal(err)
		}
		for _, scope := range scopes() {
			q := Question{Scope: scope, Period: period, Currency: "GBP"}
			for of, list := range map[Measure][]counted{Clicks(): r.clicks, CreditedOrders(): r.orders} {
				got, err := r.reader.Daily(t.Context(), q, of)
				if err != nil {
					t.Fatal(err)
				}
				before := q
				before.Period = period.Before()
				if want := along(period, reference(q, byDay, list)); !slices.Equal(got.Now, want) || got.Total() == 0 {
					t.Errorf("%s as %+v: %v, want %v", name, scope, got.Now, want)
				}
				if want := along(before.Period, reference(before, byDay, list)); !slices.Equal(got.Before, want) {
					t.Errorf("%s as %+v, before: %v, want %v", name, scope, got.Before, want)
				}
			}
		}
	}
}

func (r *rows) clear(tb testing.TB) {
	tb.Helper()
	for table := range only(access.Scope{Partner: 1}) {
		if err := r.conn.Exec(tb.Context(), "TRUNCATE TABLE "+table); err != nil {
			tb.Fatal(err)
		}
	}
}

func scopes() []access.Scope {
	return []access.Scope{{Partner: 1}, {Partner: 2}, {Partner: 3}, {Merchant: 1}, {Merchant: 2}, {Network: true}}
}

// nobodies are scopes that name nobody, or more than one.
func nobodies() []access.Scope {
	return []access.Scope{{}, {Partner: 1, Merchant: 2}, {Network: true, Partner: 1}, {Network: true, Merchant: 1}, {Partner: -1}}
}

// FuzzQuestion asks for counts with any address that a person could type and compares the answer with the rows counted in
// Go (S21).
func FuzzQuestion(f *testing.F) {
	r := newRows(f)
	f.Add(uint8(0), uint8(0), "days=7", int64(0), int64(0), "GBP")
	f.Add(uint8(3), uint8(1), "from=2026-01-01&to=2026-12-31", int64(1), int64(0), "EUR' OR 1=1 --")
	f.Add(uint8(5), uint8(2), "days=90", int64(0), int64(3), "")
	f.Add(uint8(4), uint8(3), "days=90&days=7", int64(-1), int64(9223372036854775807), "{tenant:Int64}")
	f.Add(uint8(5), uint8(0), "days=90", int64(0), int64(0), "\x00\\'\"`")
	f.Add(uint8(1), uint8(1), "from=0001-01-01&to=9999-12-31", int64(0), int64(0), "ÄÖÜ\t\n")
	f.Fuzz(func(t *testing.T, who, group uint8, query string, partner, link int64, currency string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		period, err := ParsePeriod(values, r.now)
		if err != nil {
			t.Skip() // TestFiltersRefuseWhatCannotBe
		}
		q := Question{Scope: scopes()[int(who)%len(scopes())], Period: period, Partner: partner, Link: link, Currency: currency}
		by := []Dimension{byDay, ByLink, ByPartner, ByMerchant}[group%4]
		ask := func(m Measure) map[int64]int64 {
			got, err := r.reader.CountBy(t.Context(), q, m, by)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got, want := ask(Clicks()), reference(q, by, r.clicks); !maps.Equal(got, want) {
			t.Errorf("clicks of %+v by %s: %v, want %v", q, by, got, want)
		}
		if got, want := ask(CreditedOrders()), reference(q, by, r.orders); !maps.Equal(got, want) {
			t.Errorf("orders of %+v by %s: %v, want %v", q, by, got, want)
		}
		// Money asks by currency as the person typed it.
		known := slices.Contains([]string{"GBP", "EUR", "USD"}, currency)
		if got := ask(Earned()); len(got) > 0 && !known {
			t.Errorf("currency %q has earnings: %v", currency, got)
		}
	})
}

// A scope of nobody is refused by every read: never an empty answer, never everybody's.
func TestScopeOfNobodyIsRefused(t *testing.T) {
	t.Parallel()
	reader := New(access.New(nil), nil) // nothing is asked
	period, err := ParsePeriod(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range nobodies() {
		q, ctx := Question{Scope: scope, Period: period}, t.Context()
		for name, read := range map[string]func() error{
			"Snapshot":       func() error { return reader.Snapshot(ctx, scope, func(*Snapshot) error { return nil }) },
			"CountBy":        func() error { _, err := reader.CountBy(ctx, q, Clicks(), ByLink); return err },
			"Daily":          func() error { _, err := reader.Daily(ctx, q, Clicks()); return err },
			"NewestClick":    func() error { _, err := reader.NewestClick(ctx, scope, time.Now()); return err },
			"AllOrders":      func() error { _, _, err := reader.AllOrders(ctx, q); return err },
			"FirstAndRepeat": func() error { _, _, err := reader.FirstAndRepeat(ctx, q); return err },
			"ClicksByOrigin": func() error { _, err := reader.ClicksByOrigin(ctx, q, Origins()[0]); return err },
			"Partners":       func() error { _, err := reader.Partners(ctx, q, PartnerFilter{Period: period}, 1); return err },
		} {
			if err := read(); !errors.Is(err, access.ErrScope) {
				t.Errorf("%s as %+v: %v", name, scope, err)
			}
		}
	}
}

// S21: what was typed arrives at the server as it was typed.
func TestParametersArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	conn, err := clickhouse.Open(engines.ClickHouse(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, text := range []string{"", "GBP", "a\tb", "a\nb\r\n", `\`, `\'`, `\\'`, `'`, `''`, `"`, "`", "\x00", `\N`, `\0`, "ÄÖÜ 🦊", "{x:String}", "%s ? $1", `') --`, "\xff\xfe"} {
		var got string
		err := conn.QueryRow(clickhouse.WithParameters(t.Context(), countLimit, map[string]string{"x": text}, nil), "SELECT {x:String}").Scan(&got)
		if err != nil || got != text {
			t.Errorf("%q arrives as %q: %v", text, got, err)
		}
	}
}

// S21: a query that somebody else wrote, sent as a page's queries are, neither changes anything, nor leaves its tenant, nor
// takes its bounds off.
func TestAQueryCannotLeaveItsTenant(t *testing.T) {
	t.Parallel()
	r := newRows(t)
	count := func(ctx context.Context, sql string) (n int64) {
		if err := r.conn.QueryRow(ctx, sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	total := map[string]int64{}
	for table := range only(access.Scope{Partner: 1}) {
		n := count(t.Context(), "SELECT toInt64(count()) FROM "+table)
		total[table] = n
		for _, scope := range slices.Concat(scopes(), nobodies()) {
			// order_event names no partner, so a partner's queries see nothing of it.
			want := int64(0)
			switch {
			case scope.Check() != nil:
			case scope.Network:
				want = n
			case scope.Merchant != 0:
				want = count(t.Context(), fmt.Sprintf("SELECT toInt64(countIf(merchant_id = %d)) FROM %s", scope.Merchant, table))
			case table != "order_event":
				want = count(t.Context(), fmt.Sprintf("SELECT toInt64(countIf(partner_id = %d)) FROM %s", scope.Partner, table))
			}
			ctx := clickhouse.WithParameters(t.Context(), countLimit, nil, only(scope))
			for _, injected := range []string{"SELECT toInt64(count()) FROM %s", "WITH x AS (SELECT * FROM %s AS y) SELECT toInt64(count()) FROM x WHERE 1 OR 1"} {
				if got := count(ctx, fmt.Sprintf(injected, table)); got != want || n == 0 {
					t.Errorf("%s as %+v: %d rows of %d, want %d", table, scope, got, n, want)
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
		err := r.conn.QueryRow(clickhouse.WithParameters(t.Context(), countLimit, nil, only(access.Scope{Partner: 1})), statement).Scan(&n)
		if _, answered := clickhouse.Code(err); !answered {
			t.Errorf("%s: %d, %v", statement, n, err)
		}
	}
	for table, n := range total {
		if now := count(t.Context(), "SELECT toInt64(count()) FROM "+table); now != n {
			t.Errorf("%s had %d rows and has %d", table, n, now)
		}
	}
}

// S21: what a query is made of besides its parameters are the constants of this package.
func TestDimensionsAndOriginsAreIdentifiers(t *testing.T) {
	t.Parallel()
	identifier := regexp.MustCompile(`^[a-z0-9_]+$`)
	for _, by := range []Dimension{ByLink, ByPartner, ByMerchant} {
		if !identifier.MatchString(string(by)) {
			t.Errorf("%q", by)
		}
	}
	for _, o := range Origins() {
		if !identifier.MatchString(string(o)) {
			t.Errorf("%q", o)
		}
	}
	for _, text := range []string{"sub6", "user_agent", "ip_prefix", "click_id", "1", "sub1)"} {
		if _, o, err := ParseOrigins(url.Values{"by": {text}}, time.Now()); err == nil {
			t.Errorf("%q gives %q", text, o)
		}
		if _, err := New(nil, nil).ClicksByOrigin(t.Context(), Question{Scope: access.Scope{Partner: 1}}, Origin(text)); err == nil {
			t.Errorf("clicks by %q are counted", text)
		}
	}
}
