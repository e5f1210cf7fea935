-- Clicks that the network has counted and pays for are no sales: no figure of orders counts them.

-- +goose Up
ALTER TABLE order_event MODIFY COLUMN kind Enum8('sale' = 1, 'refund' = 2, 'path' = 3, 'clicks' = 100);
