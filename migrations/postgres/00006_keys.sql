-- Trackers and engines write down which click id keys they hold, so that one with another key under the same number is
-- found out at its start: it would take every click for forged.

-- +goose Up
GRANT INSERT ON setting TO tributary_tracker, tributary_engine;
