-- A lane's look through the orders that a merchant had ends at the last of those that there were when it began: the lane follows later ones as
-- they come.

-- +goose Up
ALTER TABLE customer_backfill ADD COLUMN until_at timestamptz NOT NULL DEFAULT 'infinity';
