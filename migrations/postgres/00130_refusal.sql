-- The log of refused requests: what trackers refused of merchants that are known, and why. It holds no body, no key and no address.

-- +goose Up
CREATE TABLE refusal (
  no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  merchant_id bigint NOT NULL REFERENCES merchant,
  at          timestamptz NOT NULL, -- of the last of them
  route       text   NOT NULL CHECK (octet_length(route) BETWEEN 1 AND 64),
  code        text   NOT NULL CHECK (octet_length(code) BETWEEN 1 AND 64),
  field       text   NOT NULL CHECK (octet_length(field) <= 128),    -- the first that was wrong
  order_id    text   NOT NULL CHECK (octet_length(order_id) <= 128), -- as far as it was read
  origin      text   NOT NULL CHECK (octet_length(origin) <= 300),   -- the site of a browser that asked
  key_id      bigint NOT NULL,                                       -- 0 where no key was used
  times       bigint NOT NULL CHECK (times > 0)
);
CREATE INDEX refusal_merchant ON refusal (merchant_id, no);
CREATE INDEX refusal_at ON refusal (at);

GRANT SELECT, INSERT, DELETE ON refusal TO tributary_tracker;
GRANT SELECT ON refusal TO tributary_dashboard, tributary_operator, tributary_reader;
ALTER TABLE refusal ENABLE ROW LEVEL SECURITY;
ALTER TABLE refusal FORCE ROW LEVEL SECURITY;
CREATE POLICY river ON refusal TO tributary_tracker, tributary_operator, CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY tenant ON refusal FOR SELECT TO tributary_dashboard USING (merchant_id = (SELECT app_merchant()));
