-- Clicks that are paid for: counted once a day, and an order of the network's own for each program and partner.

-- +goose Up
-- A day of UTC of a program that pays for clicks. Engines ask, each for the orders that its lane will have; who holds the lane's
-- place among the producers counts.
CREATE TABLE click_day (
  lane        int    NOT NULL,
  program_id  bigint NOT NULL,
  day         date   NOT NULL,
  merchant_id bigint NOT NULL,
  currency    text   NOT NULL,
  asked_at    timestamptz NOT NULL DEFAULT now(),
  counted_at  timestamptz, -- when the orders were put into the outbox
  orders      int,
  clicks      bigint,
  PRIMARY KEY (lane, program_id, day)
) WITH (fillfactor = 85);
CREATE INDEX click_day_open ON click_day (lane, day, program_id) WHERE counted_at IS NULL;

ALTER TABLE orders
  DROP CONSTRAINT orders_keys_check,
  ADD CONSTRAINT orders_keys_check CHECK (keys IN (0, 1, 2)); -- 2 clicks that the network has counted

CREATE OR REPLACE VIEW scoped_order AS
  SELECT o.no, o.merchant_id, o.order_id, o.version, o.late,
         (SELECT coalesce(jsonb_object_agg(unit, weight), '{}')
            FROM (SELECT coalesce(c ->> 'unit', o.currency) AS unit, sum((c ->> 'weight')::bigint)::bigint AS weight
                    FROM json_array_elements(o.decision -> 'credits') c WHERE c ->> 'weight' IS NOT NULL
                   GROUP BY 1
                  HAVING (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant()) OR bool_or((c ->> 'partner')::bigint = (SELECT app_partner()))) w) AS whole,
         CASE WHEN (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant()) THEN o.decision::text
              ELSE partner_record(o.decision::jsonb, (SELECT app_partner())) END AS record,
         o.keys = 2 AS clicks
    FROM orders o
   WHERE (SELECT app_operator()) OR o.merchant_id = (SELECT app_merchant())
      OR EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = (SELECT app_partner()));

GRANT SELECT, INSERT ON click_day TO tributary_engine;
GRANT SELECT, UPDATE ON click_day TO tributary_loader;
GRANT SELECT ON click_day TO tributary_operator, tributary_reader;
