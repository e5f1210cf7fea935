-- Account kinds are data: what stands here is commission/ledger/chart, and a test compares the two. An account of the network
-- itself names neither merchant nor partner.

-- +goose Up
CREATE TABLE account_kind (
  kind   text     PRIMARY KEY,
  number smallint NOT NULL UNIQUE CHECK (number > 0), -- stands for the kind in events
  grows  text     NOT NULL CHECK (grows IN ('debit', 'credit')),
  owner  text     NOT NULL CHECK (owner IN ('network', 'merchant', 'partner', 'merchant and partner')),
  UNIQUE (kind, owner)
);
INSERT INTO account_kind (kind, number, grows, owner) VALUES
  ('merchant_receivable', 1, 'debit',  'merchant'),
  ('partner_pending',     2, 'credit', 'merchant and partner'),
  ('partner_payable',     3, 'credit', 'merchant and partner'),
  ('fee_pending',         4, 'credit', 'merchant'),
  ('fee_earned',          5, 'credit', 'merchant'),
  ('bank',                6, 'debit',  'network'),
  ('payout_clearing',     7, 'credit', 'network');
GRANT SELECT ON account_kind TO tributary_operator, tributary_reader;

-- An account names those who own accounts of its kind, and nobody else.
ALTER TABLE account
  DROP CONSTRAINT account_kind_check,
  DROP CONSTRAINT account_check,
  ALTER COLUMN merchant_id DROP NOT NULL,
  ADD COLUMN owner text NOT NULL GENERATED ALWAYS AS (
    CASE WHEN merchant_id IS NULL AND partner_id IS NULL THEN 'network'
         WHEN partner_id IS NULL THEN 'merchant'
         WHEN merchant_id IS NULL THEN 'partner'
         ELSE 'merchant and partner' END) STORED,
  ADD CONSTRAINT account_in_chart FOREIGN KEY (kind, owner) REFERENCES account_kind (kind, owner);

-- What may cause a posting: 1 an order, 2 a period, 3 a payout line, 4 a journal, 5 a bank line, 7 points, 8 stored value.
ALTER TABLE posting
  DROP CONSTRAINT posting_source_check,
  ADD CONSTRAINT posting_source_in_chart CHECK (source IN (1, 2, 3, 4, 5, 7, 8));
