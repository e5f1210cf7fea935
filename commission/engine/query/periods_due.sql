-- The periods of lane $1 with a hold that is over by $3 and has not been ended, at most $4.
SELECT no, merchant_id, program_id, partner_id, role, rule, span, unit, version, released_until, record::text
  FROM period WHERE lane = $1 AND ranked = $2 AND release_at <= $3 ORDER BY release_at LIMIT $4
