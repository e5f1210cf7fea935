-- What the books hold for the periods numbered $1, added up by time and accounts.
SELECT k.no, d.kind, c.kind, coalesce(d.merchant_id, c.merchant_id, 0), coalesce(d.partner_id, c.partner_id, 0), p.unit, p.amount, p.effective_at
  FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT debit, credit, unit, sum(amount)::bigint AS amount, effective_at FROM posting
        WHERE source = 2 AND source_no = k.no GROUP BY debit, credit, unit, effective_at OFFSET 0) p
 CROSS JOIN LATERAL (SELECT kind, merchant_id, partner_id FROM account WHERE id = p.debit OFFSET 0) d
 CROSS JOIN LATERAL (SELECT kind, merchant_id, partner_id FROM account WHERE id = p.credit OFFSET 0) c
