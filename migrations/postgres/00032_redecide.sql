-- Redecide writes records in the present form, and enters that form before the first of them: a version that does not know it
-- does not start.

-- +goose Up
GRANT INSERT ON record_form TO tributary_operator;
