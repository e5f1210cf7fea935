-- The clicks that a visitor made before this one, from the tracker's cookie. Rows of before have none.

-- +goose Up
ALTER TABLE touch ADD COLUMN IF NOT EXISTS path Array(String) CODEC(ZSTD(1)) AFTER bot; -- click ids, oldest first, at most eight
