-- Seals what the books of each merchant come to, by program, partner, role, unit and currency, with the sequence of each lane's ledger
-- events up to which that is. It counts as figures.sql does; manual lines are of no program.
WITH sums AS (
  SELECT c.merchant_id, c.program_id, c.partner_id, c.role, c.unit, c.currency, c.leads,
         count(*) FILTER (WHERE c.counts) AS orders, sum(CASE WHEN c.counts THEN c.revenue ELSE 0 END) AS revenue,
         sum(CASE WHEN c.counts THEN c.refunded ELSE 0 END) AS refunded, sum(c.gross) AS gross, sum(c.net) AS net, sum(c.fee) AS fee,
         sum(c.pending) AS pending, sum(c.payable) AS payable
    FROM commission c GROUP BY 1, 2, 3, 4, 5, 6, 7
  UNION ALL
  SELECT merchant_id, 0, 0, 'partner', currency, currency, true, count(*), sum(amount), sum(refunded), 0, 0, 0, 0, 0
    FROM orders WHERE outcome NOT IN ('credited', 'voided') AND currency IS NOT NULL AND keys = 0 GROUP BY merchant_id, currency
  UNION ALL
  SELECT merchant_id, program_id, partner_id, role, unit, unit, false, 0, 0, 0, 0, sum(net), sum(fee), sum(pending), sum(payable)
    FROM period GROUP BY merchant_id, program_id, partner_id, role, unit
  UNION ALL
  SELECT m.merchant_id, 0, m.partner_id, 'partner', m.unit, m.unit, false, 0, 0, 0, 0, sum(m.amount), 0, 0, sum(m.amount)
    FROM manual_line m JOIN inbox i ON i.kind = 'manual_line' AND i.ref = m.no::text JOIN inbox_taken t ON t.no = i.no AND t.problem = ''
   GROUP BY m.merchant_id, m.partner_id, m.unit
),
keyed AS (
  SELECT merchant_id, jsonb_agg(jsonb_build_object('program', program_id, 'partner', partner_id, 'role', role, 'unit', unit, 'currency', currency, 'leads', leads,
           'sums', jsonb_build_array(orders, revenue, refunded, gross, net, fee, pending, payable))) AS books
    FROM (SELECT merchant_id, program_id, partner_id, role, unit, currency, leads, sum(orders) AS orders, sum(revenue) AS revenue, sum(refunded) AS refunded,
                 sum(gross) AS gross, sum(net) AS net, sum(fee) AS fee, sum(pending) AS pending, sum(payable) AS payable
            FROM sums GROUP BY 1, 2, 3, 4, 5, 6, 7) s
   GROUP BY merchant_id
),
sealed AS (
  SELECT coalesce(array_agg(coalesce(p.out_seq, 0) ORDER BY lane), '{}') AS through
    FROM generate_series(0, (SELECT max(partition) FROM position WHERE consumer = 'engine' AND topic = $2)) lane
    LEFT JOIN position p ON p.consumer = 'engine' AND p.topic = $2 AND p.partition = lane
)
INSERT INTO report_check (occasion, merchant_id, through, books)
SELECT $1, m.id, sealed.through, coalesce(k.books, '[]') FROM sealed, merchant m LEFT JOIN keyed k ON k.merchant_id = m.id
ON CONFLICT (merchant_id, occasion) DO NOTHING
