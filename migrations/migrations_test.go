package migrations_test

import (
	"strings"
	"testing"

	"tributary/internal/clickhouse"
	"tributary/internal/enginetest"
	"tributary/migrations"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestPostgresIsBroughtUpTwice(t *testing.T) {
	t.Parallel()
	url := enginetest.EmptyPostgresURL(t)
	for range 2 {
		if err := migrations.Postgres(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	current, err := migrations.PostgresCurrent(t.Context(), url)
	if err != nil || !current {
		t.Fatalf("current = %v, %v; want true", current, err)
	}
}

func TestClickHouseIsBroughtUpTwice(t *testing.T) {
	t.Parallel()
	url := enginetest.ClickHouse(t)
	for range 2 {
		if err := migrations.ClickHouse(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := clickhouse.Open(url, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, table := range []string{"touch", "touch_hourly", "order_event", "ledger", "ledger_hourly"} {
		var rows uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&rows); err != nil {
			t.Errorf("counting %s: %v", table, err)
		}
	}
}

func TestAProgramKeepsItsCurrenciesAndTermsReachForward(t *testing.T) {
	t.Parallel()
	db := enginetest.Postgres(t)
	exec := func(sql string) error {
		_, err := db.Exec(t.Context(), sql)
		return err
	}
	if err := exec(`INSERT INTO merchant (name) VALUES ('m');
		INSERT INTO program (merchant_id, name, landing_url, domains, currencies) VALUES (1, 'p', 'https://m.example/', '{m.example}', '{EUR,GBP}')`); err != nil {
		t.Fatal(err)
	}
	const terms = `INSERT INTO terms (program_id, version, effective_from, window_seconds, hold_seconds, network_fee_ppm) VALUES (1, %s, 1, 1, 1)`
	for name, row := range map[string]struct {
		sql string
		ok  bool
	}{
		"a currency more":              {`UPDATE program SET currencies = '{EUR,GBP,USD}'`, true},
		"a currency less":              {`UPDATE program SET currencies = '{EUR}'`, false},
		"terms from tomorrow":          {strings.Replace(terms, "%s", "1, now() + interval '1 day'", 1), true},
		"terms from yesterday":         {strings.Replace(terms, "%s", "2, now() - interval '1 day'", 1), false},
		"a rate above all of the sale": {`INSERT INTO terms_rate VALUES (1, 1, 'site', '*', 1000001)`, false},
	} {
		if err := exec(row.sql); (err == nil) != row.ok {
			t.Errorf("%s: %v, want it taken: %v", name, err, row.ok)
		}
	}
}
