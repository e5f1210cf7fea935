-- An order of which another report stands in place of the first may be another customer's, or of another time: the engine takes it off
-- its place among the orders of the customer.

-- +goose Up
GRANT DELETE ON customer_seen TO tributary_engine;
