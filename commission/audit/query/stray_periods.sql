-- Rows without the period or rule they belong to.
SELECT 'posting', format('(%s, %s, %s, %s)', p.source, p.source_no, p.version, p.n), '', 'a period', 'none'
  FROM posting p WHERE p.source = 2 AND NOT EXISTS (SELECT FROM period o WHERE o.no = p.source_no)
UNION ALL
SELECT 'period_cell', format('(%s, %s, %s, %s, %s)', c.period, c.day, c.says, c.hold_s, c.effective), 'says', 'a rule', c.says::text
  FROM period_cell c WHERE NOT EXISTS (SELECT FROM period_rule r WHERE r.id = c.says)
 LIMIT $1
