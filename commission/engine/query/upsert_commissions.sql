-- The new state of commissions on orders that were known. Whose it is never changes; what brought the order may, as it is known
-- of the customer, and when and in what it was placed, as another report says that stands in place of the first.
INSERT INTO commission (order_no, partner_id, merchant_id, program_id, link_id, lane, occurred_at, currency, lines, revenue,
                        refunded, gross, net, fee, hold_until, state, pending, payable, role, unit, leads, counts, released, held)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], $7::timestamptz[], $8::text[],
                     $9::int[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::timestamptz[], $16::text[],
                     $17::bigint[], $18::bigint[], $19::text[], $20::text[], $21::boolean[], $22::boolean[], $23::boolean[], $24::bigint[])
    ON CONFLICT (order_no, partner_id, role, unit) DO UPDATE
   SET program_id = excluded.program_id, link_id = excluded.link_id, occurred_at = excluded.occurred_at, currency = excluded.currency, lines = excluded.lines, leads = excluded.leads, counts = excluded.counts, released = excluded.released, revenue = excluded.revenue, refunded = excluded.refunded,
       gross = excluded.gross, net = excluded.net, fee = excluded.fee, hold_until = excluded.hold_until, state = excluded.state,
       pending = excluded.pending, payable = excluded.payable, held = excluded.held
