-- Several credits on one order: of partners, of who recruited them, of the customer, each in its role and unit and with a
-- hold of its own.

-- +goose Up
ALTER TABLE commission
  DROP CONSTRAINT commission_pkey,
  DROP CONSTRAINT commission_check,
  DROP CONSTRAINT commission_check1,
  DROP CONSTRAINT commission_state_check;
ALTER TABLE commission
  ADD COLUMN role   text NOT NULL DEFAULT 'partner' CHECK (role IN ('partner', 'recruiter', 'recruiter2', 'customer', 'staff')),
  ADD COLUMN unit   text NOT NULL DEFAULT '', -- what gross, net, fee and the amounts below are in; revenue and refunded are in currency
  ADD COLUMN leads  boolean NOT NULL DEFAULT false, -- the first credit of its order: where orders are counted, this row stands for it
  ADD COLUMN counts boolean NOT NULL DEFAULT false, -- the first credit of its partner on the order: where a partner's orders are
  ADD COLUMN held   bigint NOT NULL DEFAULT 0,
  ADD COLUMN paid   bigint NOT NULL DEFAULT 0;
UPDATE commission c
   SET unit = c.currency, leads = o.outcome = 'credited' AND c.state <> 'rejected', counts = o.outcome = 'credited' AND c.state <> 'rejected',
       state = CASE c.state WHEN 'approved' THEN 'payable' WHEN 'rejected' THEN 'declined' ELSE c.state END
  FROM orders o WHERE o.no = c.order_no;
ALTER TABLE commission
  ALTER COLUMN role DROP DEFAULT,
  ALTER COLUMN unit DROP DEFAULT,
  ALTER COLUMN leads DROP DEFAULT,
  ALTER COLUMN counts DROP DEFAULT,
  ADD PRIMARY KEY (order_no, partner_id, role, unit),
  ADD CONSTRAINT commission_unit CHECK (unit <> ''),
  ADD CONSTRAINT commission_partner_or_customer CHECK ((partner_id = 0) = (role = 'customer')),
  ADD CONSTRAINT commission_state CHECK (state IN ('pending', 'payable', 'paid', 'held', 'declined', 'reversed')),
  -- Not at most gross: a share is rounded by largest remainder, so a refund of the order may leave one of them a unit more.
  ADD CONSTRAINT commission_net CHECK (net >= 0),
  ADD CONSTRAINT commission_sum CHECK (pending + payable + held + paid = net);

-- Up to when holds have ended on the order: the latest end of a hold that was over when it was decided. No clock takes it
-- back; null as long as none was.
ALTER TABLE orders ADD COLUMN released_until timestamptz;
UPDATE orders o SET released_until = c.hold_until
  FROM commission c
 WHERE c.order_no = o.no AND (c.state IN ('payable', 'paid') OR EXISTS (
       SELECT FROM posting p JOIN account d ON d.id = p.debit JOIN account k ON k.id = p.credit
        WHERE p.source = 1 AND p.source_no = o.no AND d.kind = 'partner_pending' AND k.kind = 'partner_payable'));
-- The record of an order that several share stays in its row: beyond 2 kB it would go to a table beside.
ALTER TABLE orders SET (toast_tuple_target = 8160);
