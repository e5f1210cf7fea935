-- Records of decisions live for ever, in the form in which they were written, and terms under the rules that they name.

-- +goose Up
-- The forms in which some engine has written records: a version that does not know one of them does not start.
CREATE TABLE record_form (
  form  smallint PRIMARY KEY CHECK (form > 0),
  since timestamptz NOT NULL DEFAULT now()
);
INSERT INTO record_form (form) VALUES (1);
GRANT SELECT, INSERT ON record_form TO tributary_engine;
GRANT SELECT ON record_form TO tributary_dashboard, tributary_operator, tributary_reader;
-- Records of an earlier form are rewritten by the operator; nothing else of an order is.
GRANT UPDATE (decision) ON orders TO tributary_operator;

ALTER TABLE terms ADD COLUMN rules smallint NOT NULL DEFAULT 1 CHECK (rules > 0);
