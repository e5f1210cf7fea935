-- What people decided about orders: rows of the inbox of the kind review. Each is read whenever its order is decided.

-- +goose Up
CREATE INDEX inbox_review ON inbox (key) WHERE kind = 'review';
