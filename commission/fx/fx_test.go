package fx

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// ecb is an excerpt of the bank's history: days of 2016 and 2017, 2022 and 2025.
func ecb(tb testing.TB) []Entry {
	tb.Helper()
	file, err := os.Open("testdata/eurofxref.csv")
	check(tb, err)
	defer file.Close()
	entries, err := Read(file, "")
	check(tb, err)
	return entries
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func on(text string) time.Time {
	at, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return at
}

func rate(pair, day, source string, num, den int64) commission.Rate {
	return commission.Rate{Base: pair[:3], Quote: pair[4:], Day: on(day + " 00:00"), Source: source, Num: num, Den: den}
}

// The last rate published by then is used: that of Friday until Monday at four in the afternoon in Frankfurt, an hour earlier by
// UTC in summer than in winter, and none once a currency is quoted no longer.
func TestTheLastRatePublishedBeforeATime(t *testing.T) {
	t.Parallel()
	table := NewTable()
	table.add(ecb(t))
	summer, err := Read(strings.NewReader("Date,USD,\n2023-07-03,1.0899,\n"), "")
	check(t, err)
	table.add(summer)
	bank := func(quote, day string, num, den int64) commission.Rate { return rate("EUR/"+quote, day, ECB, num, den) }
	for _, row := range []struct {
		at, from, to string
		want         []commission.Rate
	}{
		{"2025-01-24 14:59", "EUR", "USD", []commission.Rate{bank("USD", "2025-01-23", 10404, 10000)}},
		{"2025-01-24 15:00", "EUR", "USD", []commission.Rate{bank("USD", "2025-01-24", 10472, 10000)}},
		{"2025-01-26 12:00", "USD", "EUR", []commission.Rate{bank("USD", "2025-01-24", 10472, 10000)}},
		{"2023-07-03 14:00", "EUR", "USD", []commission.Rate{bank("USD", "2023-07-03", 10899, 10000)}},
		{"2023-07-03 13:59", "EUR", "USD", []commission.Rate{bank("USD", "2022-03-09", 10993, 10000)}},
		{"2025-01-24 15:00", "GBP", "JPY", []commission.Rate{bank("GBP", "2025-01-24", 84413, 100000), bank("JPY", "2025-01-24", 1639, 10)}},
		{"2022-03-01 20:00", "EUR", "RUB", []commission.Rate{bank("RUB", "2022-03-01", 117201, 1000)}},
		{"2022-03-02 15:00", "EUR", "RUB", nil}, // it is suspended
		{"2025-01-24 15:00", "USD", "RUB", nil},
		{"2016-12-20 14:59", "EUR", "USD", nil}, // before all
		{"2016-12-30 15:00", "EUR", "ISK", nil}, // not quoted yet
		{"2022-02-28 15:00", "EUR", "ISK", []commission.Rate{bank("ISK", "2022-02-28", 1418, 10)}},
		{"2025-01-24 15:00", "EUR", "HRK", nil}, // a currency of the past
		{"2025-01-24 15:00", "EUR", "AED", nil}, // one that the bank does not quote
	} {
		if diff := cmp.Diff(row.want, table.At(on(row.at), row.from, row.to)); diff != "" {
			t.Errorf("%s, %s to %s (-want +got):\n%s", row.at, row.from, row.to, diff)
		}
	}
}

// A rate between two currencies comes before a way by a third, the newer before the older, and no way mixes sources.
func TestTheOrderOfRates(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for _, row := range []struct{ base, quote, rate, day, source string }{
		{"EUR", "USD", "1.1", "2026-03-02", "a"},
		{"EUR", "GBP", "0.9", "2026-03-03", "a"},
		{"USD", "GBP", "0.8", "2026-03-01", "b"},
		{"GBP", "USD", "1.3", "2026-03-02", "c"},
		{"CHF", "USD", "1.2", "2026-03-04", "d"},
		{"CHF", "GBP", "0.95", "2026-03-04", "d"},
		{"EUR", "CHF", "0.97", "2026-03-04", "e"},
	} {
		e, err := New(row.base, row.quote, row.rate, row.day, row.source)
		check(t, err)
		table.add([]Entry{e, e})
	}
	want := []commission.Rate{
		rate("GBP/USD", "2026-03-02", "c", 13, 10), rate("USD/GBP", "2026-03-01", "b", 8, 10),
		rate("CHF/USD", "2026-03-04", "d", 12, 10), rate("CHF/GBP", "2026-03-04", "d", 95, 100),
		rate("EUR/USD", "2026-03-02", "a", 11, 10), rate("EUR/GBP", "2026-03-03", "a", 9, 10),
	}
	if diff := cmp.Diff(want, table.At(on("2026-03-05 00:00"), "USD", "GBP")); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:2], table.At(on("2026-03-01 12:00"), "USD", "GBP")); diff != "" {
		t.Errorf("the first day (-want +got):\n%s", diff)
	}
}

func TestATableOfRates(t *testing.T) {
	t.Parallel()
	entries, err := Read(strings.NewReader("base,quote,day,rate,from\nEUR,AED,2026-03-02,4.01,\nEUR, AED,2026-03-03,N/A,2026-03-03T12:00:00+01:00\n"), "Treasury")
	check(t, err)
	want := []Entry{
		{Rate: rate("EUR/AED", "2026-03-02", "Treasury", 401, 100), Published: on("2026-03-02 00:00")},
		{Rate: rate("EUR/AED", "2026-03-03", "Treasury", 0, 1), Published: on("2026-03-03 11:00")},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"":                                       "reading rates",
		"a,b,c,d\n":                              "line 1",
		"base,quote,day\n":                       "line 1",
		"base,quote,day,rate\nEUR,USD\n":         "line 2",
		"base,quote,day,rate\nEUR,USD,today,1\n": `line 2: "today" is not a day`,
		"base,quote,day,rate\nEUR,USD,2026-03-02,0\n":                  "is not a rate",
		"base,quote,day,rate\nEUR,USD,2026-03-02,-1\n":                 "is not a rate",
		"base,quote,day,rate\nEUR,USD,2026-03-02,1e3\n":                "is not a rate",
		"base,quote,day,rate\nEUR,USD,2026-03-02,1.1.1\n":              "is not a rate",
		"base,quote,day,rate\nEUR,USD,2026-03-02,12345678901234567890": "is not a rate",
		"base,quote,day,rate\nEUR,EUR,2026-03-02,1\n":                  "worth one of itself",
		"base,quote,day,rate\nEUR,POINT,2026-03-02,1\n":                "not a currency in force",
		"base,quote,day,rate,from\nEUR,USD,2026-03-02,1,noon\n":        "line 2",
		"Date,USD\n2026-03-02,x\n":                                     "line 2, USD",
		"Date,USD\nlately,1\n":                                         "line 2",
	} {
		if _, err := Read(strings.NewReader(text), "s"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is read with %v, want %s", text, err, want)
		}
	}
}

// enter enters rates as an operator.
func enter(t *testing.T, db *pgxpool.Pool, entries []Entry) (done Entered, err error) {
	t.Helper()
	err = postgres.InTx(t.Context(), db, func(tx pgx.Tx) (err error) {
		done, err = Enter(t.Context(), tx, entries, "anna", "a test")
		return err
	})
	return done, err
}

// History may be entered before the first order. After it rates begin ahead, the newest only of those that are past, and what
// an order was converted by stays.
func TestRatesAreEnteredAheadAndStay(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	owner, err := pgxpool.New(t.Context(), url)
	check(t, err)
	defer owner.Close()
	db, err := postgres.Open(t.Context(), engines.As(url, postgres.Operator), postgres.Operator, 3)
	check(t, err)
	defer db.Close()
	all := ecb(t)
	half := len(all) / 2
	for _, step := range []struct {
		name    string
		entries []Entry
		want    Entered
	}{{"half of it", all[:half], Entered{Added: half}}, {"all of it", all, Entered{Added: len(all) - half, Known: half}}, {"again", all, Entered{Known: len(all)}}} {
		if done, err := enter(t, db, step.entries); err != nil || done != step.want {
			t.Errorf("%s: %+v, %v; want %+v", step.name, done, err, step.want)
		}
	}
	table := NewTable()
	check(t, table.Refresh(t.Context(), db))
	of := func(at time.Time) []commission.Rate { return table.At(at, "EUR", "USD") }
	if diff := cmp.Diff([]commission.Rate{rate("EUR/USD", "2025-01-24", ECB, 10472, 10000)}, of(on("2025-01-24 15:00"))); diff != "" {
		t.Errorf("after the history (-want +got):\n%s", diff)
	}
	wrong := all[len(all)-1]
	wrong.Num++
	_, err = enter(t, db, append(ecb(t)[:1:1], wrong))
	if _, is := errors.AsType[*DiffersError](err); !is {
		t.Errorf("another rate for a day that has one: %v", err)
	}
	same := all[len(all)-1]
	same.Num, same.Den = 10*same.Num, 10*same.Den
	if done, err := enter(t, db, []Entry{same}); err != nil || done.Known != 1 {
		t.Errorf("the same with a nought more: %+v, %v", done, err)
	}

	placed := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	convert(t, owner, 1, "A1", placed, "EUR", "USD")
	before := time.Now()
	days, err := Read(strings.NewReader("base,quote,day,rate\nEUR,USD,2026-03-02,1.1\nEUR,USD,2026-03-03,1.2\nEUR,USD,2026-03-04,1.3\n"), "Treasury")
	check(t, err)
	coming, err := New("EUR", "USD", "1.4", time.Now().AddDate(0, 0, 7).UTC().Format(time.DateOnly), "Treasury")
	check(t, err)
	done, err := enter(t, db, append(days, coming))
	check(t, err)
	late := Entered{Added: 2, Late: 2, Against: &Against{rate("EUR/USD", "2026-03-02", "Treasury", 11, 10), 1, "A1", "EUR", "USD", placed}}
	if diff := cmp.Diff(late, done); diff != "" {
		t.Errorf("days of the past and one to come (-want +got):\n%s", diff)
	}
	check(t, table.Refresh(t.Context(), db))
	for _, row := range []struct {
		at   time.Time
		want commission.Rate
	}{
		{before.Add(time.Minute), rate("EUR/USD", "2025-01-24", ECB, 10472, 10000)},
		{time.Now().Add(2 * time.Minute), rate("EUR/USD", "2026-03-04", "Treasury", 13, 10)},
		{coming.Published, coming.Rate},
	} {
		if diff := cmp.Diff(row.want, of(row.at)[0]); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", row.at, diff)
		}
	}
	for name, sql := range map[string]string{
		"in the past": `INSERT INTO fx_rate (base, quote, source, day, num, den, effective_from, author) VALUES ('EUR', 'USD', 's', '2026-01-01', 1, 1, now(), 'x')`,
		"changed":     `UPDATE fx_rate SET num = num + 1`,
		"taken away":  `DELETE FROM fx_rate`,
	} {
		_, err := owner.Exec(t.Context(), sql)
		if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code[:2] != "23" {
			t.Errorf("a rate %s: %v", name, err)
		}
	}
}

// convert puts an order with a commission in another currency on the books.
func convert(t *testing.T, owner *pgxpool.Pool, no int64, order string, at time.Time, from, to string) {
	t.Helper()
	_, err := owner.Exec(t.Context(), `INSERT INTO orders (no, merchant_id, order_id, lane, version, outcome, decision) VALUES ($1, 1, $2, 0, 1, 'credited', '{}')`, no, order)
	check(t, err)
	_, err = owner.Exec(t.Context(), `INSERT INTO commission (order_no, partner_id, merchant_id, program_id, link_id, lane, occurred_at, currency, unit, lines, revenue,
		refunded, gross, net, fee, hold_until, state, pending, payable, held, released, role, leads, counts) VALUES ($1, 1, 1, 1, 1, 0, $2, $3, $4, 1, 1, 0, 1, 1, 0, $2, 'pending', 1, 0, 0, false, 'partner', true, true)`, no, at, from, to)
	check(t, err)
}

// A rate of the past is entered where no commission stands that it would have converted: between its two currencies, or by way of
// another rate of its source.
func TestRatesOfThePastChangeNoBooks(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	owner, err := pgxpool.New(t.Context(), url)
	check(t, err)
	defer owner.Close()
	db, err := postgres.Open(t.Context(), engines.As(url, postgres.Operator), postgres.Operator, 3)
	check(t, err)
	defer db.Close()
	convert(t, owner, 1, "A1", on("2026-03-10 12:00"), "EUR", "USD")
	for _, row := range []struct {
		pair, source string
		days         []string
		past         []string // those that begin when they were published
		added        int
		against      string // a day
	}{
		{"EUR/USD", "a", []string{"2026-03-11"}, []string{"2026-03-11"}, 1, ""},
		{"EUR/USD", "a", []string{"2026-03-09", "2026-03-10"}, nil, 0, "2026-03-09"}, // it would have converted A1
		{"USD/EUR", "b", []string{"2026-03-10", "2026-03-12"}, []string{"2026-03-12"}, 1, "2026-03-10"},
		{"USD/EUR", "b", []string{"2026-03-09", "2026-03-11"}, []string{"2026-03-11"}, 1, "2026-03-09"},
		{"USD/EUR", "c", []string{"2026-03-08", "2026-03-09"}, nil, 1, "2026-03-08"}, // the newest is ahead
		{"EUR/AED", "a", []string{"2026-03-01"}, []string{"2026-03-01"}, 1, ""},
		{"USD/AED", "a", []string{"2026-03-01"}, nil, 1, "2026-03-01"}, // from euros to dollars by way of dirhams
		{"USD/AED", "d", []string{"2026-03-01"}, []string{"2026-03-01"}, 1, ""},
		{"EUR/CHF", "a", []string{"2026-03-01"}, []string{"2026-03-01"}, 1, ""},
	} {
		var entries []Entry
		for _, day := range row.days {
			e, err := New(row.pair[:3], row.pair[4:], "1.5", day, row.source)
			check(t, err)
			entries = append(entries, e)
		}
		done, err := enter(t, db, entries)
		check(t, err)
		against := ""
		if done.Against != nil {
			against = done.Against.Rate.Day.Format(time.DateOnly)
		}
		rows, err := db.Query(t.Context(), `SELECT day::text FROM fx_rate WHERE base = $1 AND quote = $2 AND source = $3 AND day::text = ANY ($4)
			AND effective_from = day ORDER BY day`, row.pair[:3], row.pair[4:], row.source, row.days)
		check(t, err)
		past, err := pgx.CollectRows(rows, pgx.RowTo[string])
		check(t, err)
		if !slices.Equal(past, row.past) || done.Added != row.added || against != row.against {
			t.Errorf("%s of %s for %v: %+v, in the past %v, against %q", row.pair, row.source, row.days, done, past, against)
		}
	}
	_, err = owner.Exec(t.Context(), `INSERT INTO fx_rate (base, quote, source, day, num, den, effective_from, author) VALUES ('EUR', 'USD', 's', '2026-01-01', 1, 1, '2026-01-01', 'x')`)
	if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.ConstraintName != "fx_rate_changes_nothing" {
		t.Errorf("by hand: %v", err)
	}
}

// Who waits for the positions meets the rates that another entered meanwhile, though that one began later.
func TestARatePastThatWaitedMeetsWhatCameBefore(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	owner, err := pgxpool.New(t.Context(), url)
	check(t, err)
	defer owner.Close()
	db, err := postgres.Open(t.Context(), engines.As(url, postgres.Operator), postgres.Operator, 3)
	check(t, err)
	defer db.Close()
	of := func(day string) []Entry {
		e, err := New("EUR", "USD", "1.5", day, "a")
		check(t, err)
		return []Entry{e}
	}
	err = postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT pg_current_xact_id()`); err != nil {
			return err
		}
		if done, err := enter(t, db, of("2026-03-08")); err != nil || done.Added != 1 {
			t.Errorf("the one that began later: %+v, %v", done, err)
		}
		convert(t, owner, 1, "A1", on("2026-03-10 12:00"), "EUR", "USD")
		done, err := Enter(t.Context(), tx, of("2026-03-05"), "anna", "a test")
		if done != (Entered{Added: 1}) {
			t.Errorf("a rate that is used until the other one: %+v", done)
		}
		return err
	})
	check(t, err)
	var past bool
	check(t, owner.QueryRow(t.Context(), `SELECT effective_from = day FROM fx_rate WHERE day = '2026-03-05'`).Scan(&past))
	if !past {
		t.Error("it does not begin when it was published")
	}
}
