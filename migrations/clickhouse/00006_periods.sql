-- What periods pay: such a row of the ledger names its period in place of an order.

-- +goose Up
ALTER TABLE ledger ADD COLUMN IF NOT EXISTS period_no Int64 AFTER order_no; -- 0 where an order is the cause
