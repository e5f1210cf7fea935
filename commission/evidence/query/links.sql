-- What the links numbered $1 lead to: one row for each that there is.
SELECT k.id, l.program_id, l.partner_id, p.kind
  FROM unnest($1::bigint[]) k (id)
 CROSS JOIN LATERAL (SELECT program_id, partner_id FROM link WHERE id = k.id OFFSET 0) l
 CROSS JOIN LATERAL (SELECT kind FROM partner WHERE id = l.partner_id OFFSET 0) p
