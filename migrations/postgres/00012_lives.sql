-- What is known of a restoration: PostgreSQL was put back to an earlier time, and the servers behind it still hold what came
-- later. `tributary align` takes that away, and the records since then come anew.

-- +goose Up
ALTER TABLE position ADD COLUMN life int NOT NULL DEFAULT 1; -- part of the insert tokens, so that none of a life that is over is used again
ALTER TABLE position ADD COLUMN since bigint NOT NULL DEFAULT 0; -- the log may hold records of a life that is over before this offset
