-- How a click came that no redirect has seen: tag, or sandbox where the tag's page has no origin. Others have none.

-- +goose Up
ALTER TABLE touch ADD COLUMN IF NOT EXISTS channel LowCardinality(String) AFTER country;
