package clickhouse

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// What one query of a page may cost.
const (
	maxSeconds    = 60 // whatever a page allows itself
	maxRowsRead   = 1_000_000_000
	maxResultRows = 200_000
	maxMemory     = 1 << 30 // bytes
)

// WithParameters gives the context for a query of a page, whose {name:Type} placeholders the server fills with these
// values, so that no value is ever part of the query's text. The server gives up after limit, rounded up to whole seconds,
// or where the query costs more than a page is worth.
//
// The query can only read, and of each table in only it sees the rows that meet the condition there: both are settings
// that its text cannot take back, so a query that forgot its tenant, or that somebody else wrote, gives nothing away.
// Conditions are SQL and must be made of constants and numbers.
func WithParameters(ctx context.Context, limit time.Duration, values, only map[string]string) context.Context {
	settings := clickhouse.Settings{
		"readonly": 1, "max_execution_time": int64(math.Ceil(limit.Seconds())), "max_rows_to_read": int64(maxRowsRead),
		"max_result_rows": int64(maxResultRows), "max_memory_usage": int64(maxMemory),
	}
	if len(only) > 0 {
		settings["additional_table_filters"] = filterText(only)
	}
	sent := make(clickhouse.Parameters, len(values))
	for name, value := range values {
		sent[name] = escapeParameter(value)
	}
	return clickhouse.Context(ctx, clickhouse.WithParameters(sent), clickhouse.WithSettings(settings))
}

// escapeParameter writes a value as the server reads it: the way of its tab-separated files.
func escapeParameter(value string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(value)
}

// filterText writes conditions by table as the server reads a map.
func filterText(only map[string]string) string {
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var entries []string
	for _, table := range slices.Sorted(maps.Keys(only)) {
		entries = append(entries, "'"+escape.Replace(table)+"':'"+escape.Replace(only[table])+"'")
	}
	return "{" + strings.Join(entries, ",") + "}"
}
