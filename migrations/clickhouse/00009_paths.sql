-- Paths are facts of orders, too: what the tracker knew of a visitor's way, told by the database and not by a merchant.

-- +goose Up
ALTER TABLE order_event MODIFY COLUMN kind Enum8('sale' = 1, 'refund' = 2, 'path' = 3);
