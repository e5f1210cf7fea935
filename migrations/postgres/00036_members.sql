-- Accounts of members: of a merchant's customers, who are numbered the first time that one of them has an account.

-- +goose Up
CREATE TABLE customer (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  merchant_id bigint NOT NULL REFERENCES merchant,
  customer_id text   NOT NULL CHECK (customer_id <> ''), -- the merchant's own
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (merchant_id, customer_id),
  UNIQUE (merchant_id, no)
);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON customer FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
GRANT SELECT, INSERT ON customer TO tributary_engine;
GRANT SELECT ON customer TO tributary_dashboard, tributary_operator;
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON customer TO tributary_engine, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON customer TO tributary_dashboard USING ((SELECT app_operator()) OR merchant_id = (SELECT app_merchant()));

ALTER TABLE account_kind
  DROP CONSTRAINT account_kind_owner_check,
  ADD CONSTRAINT account_kind_owner CHECK (owner IN ('network', 'merchant', 'partner', 'merchant and partner', 'merchant and member'));

-- An account names those who own accounts of its kind, and nobody else. A member's names its merchant, too.
ALTER TABLE account
  DROP COLUMN owner,
  DROP CONSTRAINT account_kind_merchant_id_partner_id_unit_key,
  ADD COLUMN customer_no bigint,
  ADD COLUMN owner text NOT NULL GENERATED ALWAYS AS (
    CASE WHEN customer_no IS NOT NULL AND merchant_id IS NOT NULL AND partner_id IS NULL THEN 'merchant and member'
         WHEN customer_no IS NOT NULL THEN 'nobody'
         WHEN merchant_id IS NULL AND partner_id IS NULL THEN 'network'
         WHEN partner_id IS NULL THEN 'merchant'
         WHEN merchant_id IS NULL THEN 'partner'
         ELSE 'merchant and partner' END) STORED,
  ADD CONSTRAINT account_in_chart FOREIGN KEY (kind, owner) REFERENCES account_kind (kind, owner),
  ADD CONSTRAINT account_of_its_customer FOREIGN KEY (merchant_id, customer_no) REFERENCES customer (merchant_id, no),
  ADD CONSTRAINT account_name UNIQUE NULLS NOT DISTINCT (kind, merchant_id, partner_id, customer_no, unit);
CREATE INDEX account_customer ON account (customer_no) WHERE customer_no IS NOT NULL;
