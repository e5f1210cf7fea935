-- Kinds of account for what reviews hold, what customers are given, and what the network pays itself; see
-- commission/ledger/chart.

-- +goose Up
INSERT INTO account_kind (kind, number, grows, owner) VALUES
  ('partner_held',       8, 'credit', 'merchant and partner'),
  ('promotions_issued',  9, 'debit',  'merchant'),
  ('wallet_pending',    10, 'credit', 'merchant and member'),
  ('wallet',            11, 'credit', 'merchant and member'),
  ('promotion',         12, 'debit',  'network');
