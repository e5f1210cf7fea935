-- What a person needs to know of a batch that the loader could not finish.

-- +goose Up
ALTER TABLE clickhouse_batch ADD COLUMN problem text NOT NULL DEFAULT ''; -- why it is parked
GRANT UPDATE ON clickhouse_batch TO tributary_operator; -- to have a batch loaded again
