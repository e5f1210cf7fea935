-- What is known of each order, what was decided, and the double-entry books. Nothing here is updated in place but the
-- present state of an order and of its commissions, which the events and the postings explain.

-- +goose Up

-- Who works on which partition of which topic, and how far it is. An owner holds a lease; each take-over raises the
-- epoch; every effect checks the epoch under this row's lock, so an owner that was frozen cannot write.
CREATE TABLE position (
  consumer    text   NOT NULL,
  topic       text   NOT NULL,
  partition   int    NOT NULL,
  next_offset bigint NOT NULL DEFAULT 0 CHECK (next_offset >= 0),
  owner       text   NOT NULL DEFAULT '',
  epoch       bigint NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  out_seq     bigint NOT NULL DEFAULT 0, -- the last sequence number given to an event that leaves this partition
  attempts    int    NOT NULL DEFAULT 0, -- how often the records at next_offset failed through their own fault
  halted      text   NOT NULL DEFAULT '', -- why this partition stands still; empty when it does not
  PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 40);

-- The last sequence seen of each spool: at or below it a record is a duplicate, one above is next, more is a gap.
CREATE TABLE high_water (
  consumer  text   NOT NULL,
  topic     text   NOT NULL,
  partition int    NOT NULL,
  spool     bytea  NOT NULL CHECK (length(spool) = 16),
  seq       bigint NOT NULL,
  PRIMARY KEY (consumer, topic, partition, spool)
) WITH (fillfactor = 40);

-- A record that could not be processed, set aside in the transaction that moved the position behind it. A person may
-- mend it and ask for its return; whoever holds the partition then takes it in through the same fold as any other.
CREATE TABLE dead_letter (
  consumer   text   NOT NULL,
  topic      text   NOT NULL,
  partition  int    NOT NULL,
  "offset"   bigint NOT NULL,
  key        bytea  NOT NULL,
  value      bytea  NOT NULL,
  error      text   NOT NULL,
  state      text   NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'returning', 'returned', 'discarded')),
  note       text   NOT NULL DEFAULT '',
  at         timestamptz NOT NULL DEFAULT now(),
  settled_at timestamptz,
  PRIMARY KEY (consumer, topic, partition, "offset")
);
CREATE INDEX dead_letter_unsettled ON dead_letter (consumer, topic, partition) WHERE state IN ('open', 'returning');

-- The number of an order within this installation: how the tables below name it.
CREATE SEQUENCE order_no;

-- The present fold of everything known about an order.
CREATE TABLE orders (
  no          bigint PRIMARY KEY,
  merchant_id bigint NOT NULL,
  order_id    text   NOT NULL CHECK (order_id <> '' AND octet_length(order_id) <= 128),
  lane        smallint NOT NULL,
  version     int    NOT NULL CHECK (version > 0),
  occurred_at timestamptz,         -- null until the sale itself is known (a refund may come first)
  currency    text,
  lines       int    NOT NULL DEFAULT 0,
  amount      bigint NOT NULL DEFAULT 0 CHECK (amount >= 0),
  refunded    bigint NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
  customer_id text   NOT NULL DEFAULT '',
  outcome     text   NOT NULL,     -- credited, or the code of why nobody earns
  over_refund bigint NOT NULL DEFAULT 0, -- what refunds asked for beyond what the order had
  decision    json   NOT NULL,     -- the record of why (design promise P7)
  UNIQUE (merchant_id, order_id)
) WITH (fillfactor = 85);
CREATE INDEX orders_merchant ON orders (merchant_id, occurred_at, no);

-- The immutable facts an order is folded from. ref is the merchant's id of the fact: empty for the sale.
CREATE TABLE order_event (
  order_no     bigint   NOT NULL,
  kind         smallint NOT NULL CHECK (kind IN (1, 2)), -- 1 sale, 2 refund
  ref          text     NOT NULL,
  event_id     uuid     NOT NULL,
  occurred_at  timestamptz NOT NULL,
  received_at  timestamptz NOT NULL,
  content_hash bytea    NOT NULL,
  payload      bytea    NOT NULL, -- the event as it came
  PRIMARY KEY (order_no, kind, ref)
);

-- The same order (or refund) reported again with other content: kept, shown, and without effect.
CREATE TABLE order_conflict (
  order_no     bigint   NOT NULL,
  merchant_id  bigint   NOT NULL,
  kind         smallint NOT NULL,
  ref          text     NOT NULL,
  content_hash bytea    NOT NULL,
  event_id     uuid     NOT NULL,
  received_at  timestamptz NOT NULL,
  payload      bytea    NOT NULL,
  PRIMARY KEY (order_no, kind, ref, content_hash)
);
CREATE INDEX order_conflict_merchant ON order_conflict (merchant_id, received_at DESC);

-- What a partner earns on an order. pending and payable are what the books hold for it now.
CREATE TABLE commission (
  order_no    bigint NOT NULL,
  partner_id  bigint NOT NULL,
  merchant_id bigint NOT NULL,
  program_id  bigint NOT NULL,
  link_id     bigint NOT NULL,
  lane        smallint NOT NULL,
  occurred_at timestamptz NOT NULL,
  currency    text   NOT NULL,
  lines       int    NOT NULL,     -- lines with a rate above zero
  revenue     bigint NOT NULL,     -- of all credited lines
  refunded    bigint NOT NULL,
  gross       bigint NOT NULL CHECK (gross >= 0),
  net         bigint NOT NULL CHECK (net BETWEEN 0 AND gross),
  fee         bigint NOT NULL CHECK (fee >= 0),
  hold_until  timestamptz NOT NULL,
  state       text   NOT NULL CHECK (state IN ('pending', 'approved', 'paid', 'held', 'rejected', 'reversed')),
  pending     bigint NOT NULL,
  payable     bigint NOT NULL,
  PRIMARY KEY (order_no, partner_id),
  CHECK (pending + payable = net)
) WITH (fillfactor = 85);
CREATE INDEX commission_partner ON commission (partner_id, occurred_at DESC);
CREATE INDEX commission_program ON commission (program_id, occurred_at DESC);
CREATE INDEX commission_due ON commission (lane, hold_until) WHERE state = 'pending';

-- An account holds one unit (a currency) for one owner.
CREATE TABLE account (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind        text   NOT NULL CHECK (kind IN ('merchant_receivable', 'partner_pending', 'partner_payable', 'fee_pending', 'fee_earned')),
  merchant_id bigint NOT NULL REFERENCES merchant,
  partner_id  bigint REFERENCES partner,
  unit        text   NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (kind, merchant_id, partner_id, unit),
  CHECK ((kind IN ('partner_pending', 'partner_payable')) = (partner_id IS NOT NULL))
);
CREATE INDEX account_merchant ON account (merchant_id);
CREATE INDEX account_partner  ON account (partner_id) WHERE partner_id IS NOT NULL;

-- A posting moves a positive amount of one unit from a credited account to a debited one. The first four columns name
-- the ledger transaction (what caused it, and which of that thing's versions) and the posting within it.
CREATE TABLE posting (
  source       smallint NOT NULL CHECK (source IN (1)), -- 1: an order, by its number and version
  source_no    bigint   NOT NULL,
  version      int      NOT NULL,
  n            smallint NOT NULL,
  seq          bigint   GENERATED ALWAYS AS IDENTITY,
  debit        bigint   NOT NULL,
  credit       bigint   NOT NULL,
  amount       bigint   NOT NULL CHECK (amount > 0),
  unit         text     NOT NULL,
  effective_at timestamptz NOT NULL, -- when it is true in the world; balances are as of this time
  posted_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, source_no, version, n),
  CHECK (debit <> credit)
);
CREATE UNIQUE INDEX posting_seq ON posting (seq);
CREATE INDEX posting_debit  ON posting (debit, seq);
CREATE INDEX posting_credit ON posting (credit, seq);

-- Both accounts of a posting exist and hold its unit. Checked once a statement, and each account once: a thousand orders
-- cost a few hundred look-ups, where foreign keys would make four thousand. Accounts can neither be deleted nor change
-- their unit.
-- +goose StatementBegin
CREATE FUNCTION posting_fits_accounts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE bad record;
BEGIN
  IF EXISTS (SELECT FROM (SELECT debit AS id, unit FROM added UNION SELECT credit, unit FROM added) used
              WHERE used.unit IS DISTINCT FROM (SELECT a.unit FROM account a WHERE a.id = used.id)) THEN
    SELECT p.* INTO bad FROM added p
      LEFT JOIN account d ON d.id = p.debit  AND d.unit = p.unit
      LEFT JOIN account c ON c.id = p.credit AND c.unit = p.unit
     WHERE d.id IS NULL OR c.id IS NULL LIMIT 1;
    RAISE EXCEPTION 'posting (%, %, %, %) of % % between accounts % and %: both must exist and hold that unit',
      bad.source, bad.source_no, bad.version, bad.n, bad.amount, bad.unit, bad.debit, bad.credit USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION books_are_insert_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is insert-only: correct it with a further row', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER posting_fits_accounts AFTER INSERT ON posting REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION posting_fits_accounts();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting     FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account     FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_event FOR EACH STATEMENT EXECUTE FUNCTION books_are_insert_only();

-- What an account's postings up to through_seq add up to; none of them takes effect later than latest. A balance as of
-- a time at or after latest is this row plus what was posted behind it.
CREATE TABLE checkpoint (
  account_id  bigint NOT NULL,
  through_seq bigint NOT NULL,
  latest      timestamptz NOT NULL,
  debits      bigint NOT NULL,
  credits     bigint NOT NULL,
  PRIMARY KEY (account_id, through_seq)
);

-- The hash chain over the postings: each block hashes the one before it and its own rows in the order of seq. It ends at
-- a seq below which nothing can be inserted any more.
CREATE TABLE chain (
  block       bigint PRIMARY KEY,
  after_seq   bigint NOT NULL,
  through_seq bigint NOT NULL,
  rows        bigint NOT NULL,
  previous    bytea  NOT NULL,
  hash        bytea  NOT NULL CHECK (length(hash) = 32),
  sealed_at   timestamptz NOT NULL DEFAULT now()
);

-- Ledger events on their way to Kafka, packed: the events of one engine transaction, each as its key and its bytes, both
-- behind their length (uvarint). A lane's sequence is given under the lock of its position, so its rows become visible in
-- order.
CREATE TABLE ledger_outbox (
  lane      int    NOT NULL,
  first_seq bigint NOT NULL,
  last_seq  bigint NOT NULL CHECK (last_seq >= first_seq),
  events    bytea  STORAGE EXTERNAL NOT NULL, -- gone within a second: not worth compressing
  PRIMARY KEY (lane, first_seq)
);

-- The loader's manifest: a batch is written down before it is sent, and marked when ClickHouse has it.
CREATE TABLE clickhouse_batch (
  topic        text   NOT NULL,
  partition    int    NOT NULL,
  first_offset bigint NOT NULL,
  last_offset  bigint NOT NULL,
  rows         bigint NOT NULL,
  before       jsonb  NOT NULL, -- the high-water marks before the batch, so that it can be cut again exactly
  generation   int    NOT NULL DEFAULT 1, -- part of the insert token: raised to load a range anew
  state        text   NOT NULL CHECK (state IN ('planned', 'done', 'parked')),
  planned_at   timestamptz NOT NULL DEFAULT now(),
  done_at      timestamptz,
  PRIMARY KEY (topic, partition, first_offset)
);
CREATE INDEX clickhouse_batch_open ON clickhouse_batch (topic, partition) WHERE state <> 'done';

GRANT SELECT, INSERT, UPDATE ON position, high_water, dead_letter TO tributary_engine, tributary_loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON clickhouse_batch TO tributary_loader;
GRANT USAGE ON SEQUENCE order_no TO tributary_engine;
GRANT SELECT, INSERT, UPDATE ON orders, commission TO tributary_engine;
GRANT SELECT, INSERT ON order_event, order_conflict, account, posting, checkpoint, chain TO tributary_engine;
GRANT SELECT, INSERT, DELETE ON ledger_outbox TO tributary_engine;
GRANT SELECT ON orders, order_event, order_conflict, commission, account, posting, checkpoint TO tributary_dashboard;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO tributary_operator;
GRANT UPDATE ON dead_letter, position TO tributary_operator;

-- The dashboard sees one tenant's rows: the transaction says whose through the settings app.merchant or app.partner,
-- or app.operator for the network's own people. With none of them set there are no rows.
-- +goose StatementBegin
CREATE FUNCTION app_merchant() RETURNS bigint LANGUAGE sql STABLE RETURN nullif(current_setting('app.merchant', true), '')::bigint;
CREATE FUNCTION app_partner()  RETURNS bigint LANGUAGE sql STABLE RETURN nullif(current_setting('app.partner', true), '')::bigint;
CREATE FUNCTION app_operator() RETURNS boolean LANGUAGE sql STABLE RETURN coalesce(current_setting('app.operator', true), '') = 'on';

DO $$
DECLARE t text; rule text;
BEGIN
  FOR t, rule IN VALUES
    ('api_key',        'merchant_id = (SELECT app_merchant())'),
    ('link',           'partner_id = (SELECT app_partner()) OR EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant()))'),
    ('orders',         'merchant_id = (SELECT app_merchant()) OR EXISTS (SELECT FROM commission c WHERE c.order_no = no AND c.partner_id = (SELECT app_partner()))'),
    ('order_event',    'EXISTS (SELECT FROM orders o WHERE o.no = order_no)'),
    ('order_conflict', 'merchant_id = (SELECT app_merchant())'),
    ('commission',     'merchant_id = (SELECT app_merchant()) OR partner_id = (SELECT app_partner())'),
    ('account',        'merchant_id = (SELECT app_merchant()) OR partner_id = (SELECT app_partner())'),
    ('posting',        'EXISTS (SELECT FROM account a WHERE a.id IN (debit, credit))'),
    ('checkpoint',     'EXISTS (SELECT FROM account a WHERE a.id = account_id)')
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    -- The stages of the river work for every tenant.
    EXECUTE format('CREATE POLICY river ON %I TO tributary_tracker, tributary_loader, tributary_engine, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY tenant ON %I TO tributary_dashboard USING ((SELECT app_operator()) OR %s)', t, rule);
  END LOOP;
END $$;
-- +goose StatementEnd
ALTER TABLE enrolment ENABLE ROW LEVEL SECURITY;
ALTER TABLE enrolment FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON enrolment TO tributary_tracker, tributary_loader, tributary_engine, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON enrolment TO tributary_dashboard USING ((SELECT app_operator()) OR partner_id = (SELECT app_partner())
  OR EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())));
