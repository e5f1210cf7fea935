-- Which places of a change are quiet: an order is there now that does not move its customer. Two such do not concern one another, so that who
-- compares changes looks at no customer of whom all places are quiet.

-- +goose Up
ALTER TABLE customer_change
  ADD COLUMN quiet boolean[],                 -- null of an engine of before: none is
  ADD CHECK (cardinality(quiet) = cardinality(merchants));
