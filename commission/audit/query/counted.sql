-- What stands in the cells of periods together with what nobody has added up yet.
SELECT merchant_id, program_id, partner_id, role, rule, span, unit, day - date '1970-01-01', says, hold_s, effective - date '1970-01-01',
       greatest(least(sum(count), 1e18), -1e18)::bigint, greatest(least(sum(revenue), 1e18), -1e18)::bigint, greatest(least(sum(commission), 1e18), -1e18)::bigint
  FROM (SELECT p.merchant_id, p.program_id, p.partner_id, p.role, p.rule, p.span, p.unit, c.day, c.says, c.hold_s, c.effective, c.count, c.revenue, c.commission
          FROM period_cell c JOIN period p ON p.no = c.period
        UNION ALL
        SELECT merchant_id, program_id, partner_id, role, rule, span, unit, day, says, hold_s, effective, count, revenue, commission FROM period_delta) both_tables
 GROUP BY 1, 2, 3, 4, 5, 6, 7, day, says, hold_s, effective
