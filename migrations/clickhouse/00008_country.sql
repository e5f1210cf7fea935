-- Where the visitor's address was, where the operator had set a database of countries. Rows of before have none.

-- +goose Up
ALTER TABLE touch ADD COLUMN IF NOT EXISTS country LowCardinality(String) AFTER path; -- two letters of ISO 3166-1, or empty
