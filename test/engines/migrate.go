package engines

import (
	"context"

	"tributary/migrations"
)

func migratePostgres(ctx context.Context, address string) error {
	return migrations.Postgres(ctx, address) //nolint:wrapcheck // it says what it was doing
}

func migrateClickHouse(ctx context.Context, address string) error {
	return migrations.ClickHouse(ctx, address) //nolint:wrapcheck // as above
}
