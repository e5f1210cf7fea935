package embedded

import (
	"strings"
	"testing"
)

func TestPreflightNamesWhatIsMissing(t *testing.T) {
	for _, row := range []struct {
		name  string
		cfg   Config
		path  string
		wants string
	}{
		{"nothing is asked for", Config{}, "", ""},
		{"Kafka needs nothing", Config{Kafka: true}, "", ""},
		{"PostgreSQL and no npm", Config{Postgres: true}, t.TempDir(), "PostgreSQL 18.4 is still to be installed, and npm was not found"},
		{"ClickHouse and no npm", Config{ClickHouse: true}, t.TempDir(), "ClickHouse 26.7 is still to be installed, and npm was not found"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.path != "" {
				t.Setenv("PATH", row.path)
			}
			row.cfg.Dir, row.cfg.Cache = t.TempDir(), t.TempDir()
			err := Preflight(t.Context(), row.cfg)
			if (row.wants == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), row.wants) {
				t.Errorf("%v, want %q", err, row.wants)
			}
		})
	}
}
