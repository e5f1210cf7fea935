-- What the books hold for the orders numbered $1.
SELECT k.no, d.kind, c.kind, coalesce(d.merchant_id, c.merchant_id, 0), coalesce(d.partner_id, c.partner_id, 0),
       CASE WHEN coalesce(d.customer_no, c.customer_no) IS NULL THEN '' ELSE (SELECT customer_id FROM customer WHERE no = coalesce(d.customer_no, c.customer_no)) END,
       p.unit, p.amount, p.effective_at
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT debit, credit, unit, amount, effective_at FROM posting WHERE source = 1 AND source_no = k.no OFFSET 0) p
 CROSS JOIN LATERAL (SELECT kind, merchant_id, partner_id, customer_no FROM account WHERE id = p.debit OFFSET 0) d
 CROSS JOIN LATERAL (SELECT kind, merchant_id, partner_id, customer_no FROM account WHERE id = p.credit OFFSET 0) c
