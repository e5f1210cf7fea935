-- Coupons and referral codes of a merchant's programs, or of a partner, newest first.
SELECT c.id, c.code, c.written, c.kind, c.program_id, g.name AS program, coalesce(c.partner_id, 0) AS partner_id, coalesce(p.name, '') AS partner, c.exclusive,
       c.effective_from AS begins, least(c.effective_until, e.effective_from) AS ends, c.author, c.note, c.created_at,
       e.leaked_from, coalesce(e.author, '') AS ended_by, coalesce(e.note, '') AS end_note, e.created_at AS ended_at
  FROM coupon c
  JOIN program g ON g.id = c.program_id
  LEFT JOIN partner p ON p.id = c.partner_id
  LEFT JOIN coupon_end e ON e.coupon_id = c.id
 WHERE (g.merchant_id = @merchant OR @merchant::bigint = 0 AND c.partner_id = @own::bigint)
   AND (@coupon::bigint = 0 OR c.id = @coupon)
   AND (@program::bigint = 0 OR c.program_id = @program)
   AND (@partner::bigint = 0 OR c.partner_id = @partner)
   AND (@kind::text = '' OR c.kind = @kind)
   AND (@state::text = '' OR @state = CASE WHEN least(c.effective_until, e.effective_from) <= @now THEN 'ended' WHEN c.effective_from > @now THEN 'to_come' ELSE 'in_force' END)
   AND (@text::text = '' OR position(@code::text IN c.code) > 0 OR position(lower(@text) IN lower(p.name)) > 0)
   AND c.id < @after::bigint
 ORDER BY c.id DESC
 LIMIT @limit
