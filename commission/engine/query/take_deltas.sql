-- What orders have changed about the periods of lane $1, at most $3 changes, the oldest first: taken out to be added up.
DELETE FROM period_delta
 WHERE no IN (SELECT no FROM period_delta WHERE lane = $1 AND ranked = $2 ORDER BY no LIMIT $3)
RETURNING merchant_id, program_id, partner_id, role, rule, span, unit, day - date '1970-01-01', says, hold_s, effective - date '1970-01-01',
          count, revenue, commission
