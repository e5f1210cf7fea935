-- Orders to be decided again, since something beside their own facts has changed, until who holds their lane has done so.

-- +goose Up
CREATE TABLE nudge (
  no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  lane     int    NOT NULL,
  order_no bigint NOT NULL,
  written  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX nudge_lane ON nudge (lane, no);
GRANT SELECT, INSERT, DELETE ON nudge TO tributary_engine;
GRANT SELECT ON nudge TO tributary_operator, tributary_reader;
