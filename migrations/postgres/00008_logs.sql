-- Which log an offset is of, and how often a dead letter was sent to ClickHouse under a new token.

-- +goose Up
ALTER TABLE position ADD COLUMN log text NOT NULL DEFAULT ''; -- Kafka's id of the topic that next_offset is of; empty: of any
ALTER TABLE dead_letter ADD COLUMN life int NOT NULL DEFAULT 1; -- part of the token under which the loader puts it back
