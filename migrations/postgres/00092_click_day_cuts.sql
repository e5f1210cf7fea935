-- A day on which the terms changed is counted in parts, each at the terms of its own.

-- +goose Up
ALTER TABLE click_day ADD COLUMN cuts timestamptz[] NOT NULL DEFAULT '{}' CHECK (cardinality(cuts) < 24); -- within the day, ascending
