-- +goose Up
-- A new life is named by the second in which it began, and 32 bits of those end in 2038.
ALTER TABLE clickhouse_batch ALTER COLUMN generation TYPE bigint;
ALTER TABLE position ALTER COLUMN life TYPE bigint;
ALTER TABLE dead_letter ALTER COLUMN life TYPE bigint;
