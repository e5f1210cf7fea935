package clickhouse

import (
	"context"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// WithParameters gives the context for a query whose {name:Type} placeholders the server fills with these values, so
// that no value is ever part of the query's text. The server gives up after limit, rounded up to whole seconds.
func WithParameters(ctx context.Context, limit time.Duration, values map[string]string) context.Context {
	return clickhouse.Context(ctx,
		clickhouse.WithParameters(values),
		clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": int64(math.Ceil(limit.Seconds()))}))
}
