-- Manual lines whose postings are not what they say, postings of none, and lines that were posted without the second person.
WITH wanted AS (
  SELECT m.no, m.merchant_id AS merchant, m.partner_id AS partner, m.unit, abs(m.amount) AS amount,
         CASE WHEN m.amount > 0 THEN b.kind ELSE 'partner_payable' END AS debit, CASE WHEN m.amount > 0 THEN 'partner_payable' ELSE b.kind END AS credit, b.owner
    FROM manual_line m
    JOIN inbox i ON i.kind = 'manual_line' AND i.ref = m.no::text
    JOIN inbox_taken t ON t.no = i.no AND t.problem = ''
   CROSS JOIN LATERAL (SELECT CASE m.payer WHEN 'merchant' THEN 'merchant_receivable' ELSE 'promotion' END AS kind,
                              CASE m.payer WHEN 'merchant' THEN m.merchant_id END AS owner) b),
posted AS (
  SELECT p.source_no AS no, p.version, p.n, d.kind AS debit, c.kind AS credit, p.unit, p.amount,
         coalesce(d.partner_id, c.partner_id) AS partner, CASE WHEN d.partner_id IS NULL THEN c.merchant_id ELSE d.merchant_id END AS merchant,
         CASE WHEN d.partner_id IS NULL THEN d.merchant_id ELSE c.merchant_id END AS owner
    FROM posting p JOIN account d ON d.id = p.debit JOIN account c ON c.id = p.credit WHERE p.source = 4)
(SELECT 'posting', format('(4, %s, %s, %s)', coalesce(w.no, p.no), coalesce(p.version, 1), coalesce(p.n, 0)), 'amount',
       coalesce(w.amount || ' ' || w.unit || ' from ' || w.credit || ' to ' || w.debit, 'none'), coalesce(p.amount || ' ' || p.unit || ' from ' || p.credit || ' to ' || p.debit, 'none')
  FROM wanted w FULL JOIN posted p ON (p.no, p.version, p.n) = (w.no, 1, 0)
 WHERE (w.debit, w.credit, w.merchant, w.owner, w.unit, w.partner, w.amount) IS DISTINCT FROM (p.debit, p.credit, p.merchant, p.owner, p.unit, p.partner, p.amount)
UNION ALL
SELECT 'manual_line', m.no::text, 'approval', 'of a second person', coalesce(v.author, 'none')
  FROM manual_line m JOIN inbox i ON i.kind = 'manual_line' AND i.ref = m.no::text
  LEFT JOIN manual_verdict v ON v.line = m.no AND v.verdict = 'approve'
 WHERE m.second AND v.author IS NOT DISTINCT FROM m.author OR m.second AND v.author IS NULL)
 ORDER BY 2 LIMIT $1
