-- Orders that are to be decided again once a click key is there: those of which any touch was refused for want of it, whatever
-- became of the order. It follows from the record, so it is worked out from it; every form of records says it in these words.

-- +goose Up
DROP INDEX orders_unknown_key;
ALTER TABLE orders ADD COLUMN keyless boolean NOT NULL GENERATED ALWAYS AS (position('"reason":"unknown_click_key"' IN decision::text) > 0) STORED;
CREATE INDEX orders_keyless ON orders (lane, no) WHERE keyless;
