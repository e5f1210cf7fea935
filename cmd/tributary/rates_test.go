package main

import (
	"strings"
	"testing"

	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestAnOperatorEntersRatesByCommands(t *testing.T) {
	t.Parallel()
	environ := []string{"TRIBUTARY_POSTGRES_URL=" + engines.As(engines.PostgresURL(t), postgres.Operator), "TRIBUTARY_DATA=" + t.TempDir()}
	const bank = "../../commission/fx/testdata/eurofxref.csv"
	for _, row := range []struct{ command, prints, refused string }{
		{"list", "There are no rates.\n", ""},
		{"import|" + bank, "rates were entered. 0 were known already. 0 are of the past and left out.\n", ""},
		{"import|" + bank, "0 rates were entered. ", ""},
		{"import|nowhere.csv", "", "nowhere.csv"},
		{"import|rates_test.go", "", "line 1"},
		{"add|EUR|AED|4.0123|--source|Treasury|--day|2026-03-02|--note|month-end", "1 rate was entered.", ""},
		{"add|EUR|AED|4.0124|--source|Treasury|--day|2026-03-02", "", "stands as 40123/10000"},
		{"add|EUR|AED|4.0123", "", "source"},
		{"add|EUR|POINT|4|--source|Treasury", "", "not a currency in force"},
		{"add|EUR|AED|four|--source|Treasury", "", "is not a rate"},
		{"list", "EUR/AED\t4.0123\t2026-03-02\tTreasury\n", ""},
		{"add|EUR|CHF|0.95|--source|Treasury|--day|2100-01-01", "1 rate was entered.", ""},
		{"list", "EUR/CHF\t0.95\t2100-01-01\tTreasury\tfrom 2100-01-01T", ""},
		{"list", "EUR/USD\t1.0472\t2025-01-24\tECB\n", ""},
	} {
		var out strings.Builder
		root := newRoot(environ)
		root.SetOut(&out)
		root.SetErr(testLog{t})
		root.SetArgs(append([]string{"rates"}, strings.Split(row.command, "|")...))
		err := root.ExecuteContext(t.Context())
		switch {
		case row.refused == "" && (err != nil || !strings.Contains(out.String(), row.prints)):
			t.Errorf("rates %s prints %q and ends with %v, want %q", row.command, out.String(), err, row.prints)
		case row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)):
			t.Errorf("rates %s ends with %v, want it refused with %q", row.command, err, row.refused)
		}
	}
}
