package enginetest

import "context"

func migratePostgres(_ context.Context, _ string) error { return nil }

func migrateClickHouse(_ context.Context, _ string) error { return nil }
