-- What a report is about: a sale, or another goal; and whether it is a trial, which no figure counts.

-- +goose Up
ALTER TABLE order_event
  ADD COLUMN IF NOT EXISTS goal LowCardinality(String) AFTER customer_id, -- empty for a sale
  ADD COLUMN IF NOT EXISTS test Bool AFTER imported;
