-- A hold ends whatever is left in it: when a refund of after its end has taken all back, something was payable in between.

-- +goose Up
ALTER TABLE commission ADD COLUMN released boolean NOT NULL DEFAULT false; -- the hold has been ended
UPDATE commission c SET released = true
  FROM orders o WHERE o.no = c.order_no AND (o.released_until >= c.hold_until OR c.state IN ('payable', 'paid', 'declined'));
DROP INDEX commission_due;
CREATE INDEX commission_due ON commission (lane, hold_until) WHERE NOT released;
