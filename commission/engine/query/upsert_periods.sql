-- The new state of periods. What a period is of never changes.
INSERT INTO period AS p (no, merchant_id, program_id, partner_id, role, rule, span, unit, lane, version, ranked, first_day, last_day,
                         net, fee, pending, payable, fee_pending, fee_earned, released_until, release_at, record)
SELECT no, merchant, program, partner, role, rule, span, unit, lane, version, ranked, date '1970-01-01' + first_day, date '1970-01-01' + last_day,
       net, fee, pending, payable, fee_pending, fee_earned, released, release_at, record::json
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::smallint[],
              $10::int[], $11::boolean[], $12::int[], $13::int[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[],
              $19::bigint[], $20::timestamptz[], $21::timestamptz[], $22::text[])
       n (no, merchant, program, partner, role, rule, span, unit, lane, version, ranked, first_day, last_day,
          net, fee, pending, payable, fee_pending, fee_earned, released, release_at, record)
    ON CONFLICT (no) DO UPDATE
   SET version = excluded.version, ranked = excluded.ranked, first_day = excluded.first_day, last_day = excluded.last_day,
       net = excluded.net, fee = excluded.fee, pending = excluded.pending, payable = excluded.payable,
       fee_pending = excluded.fee_pending, fee_earned = excluded.fee_earned,
       released_until = excluded.released_until, release_at = excluded.release_at, record = excluded.record
