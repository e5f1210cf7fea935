-- What each row of the ledger adds to which kinds of account. Rows of before, and of engines that did not say it yet, have
-- none, and say the same of four kinds in pending, payable, fee_pending and fee_earned.

-- +goose Up
ALTER TABLE ledger
  ADD COLUMN IF NOT EXISTS `account.kind` Array(Int32) AFTER fee_earned, -- its number in the chart of accounts
  ADD COLUMN IF NOT EXISTS `account.amount` Array(Int64) AFTER `account.kind`; -- debits less credits in the row's unit; together 0
