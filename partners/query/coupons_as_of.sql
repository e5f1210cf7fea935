-- For each merchant, code and time of $1, $2 and $3: the coupons of the merchant's programs with that code which had begun by
-- then, the latest of each program. No other of that program can be in force. One that ended before it began never was.
SELECT k.n, c.id, p.merchant_id, c.program_id, c.code, c.written, c.kind, coalesce(c.partner_id, 0), c.exclusive,
       c.effective_from, least(c.effective_until, e.effective_from)
  FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) WITH ORDINALITY k (merchant, code, at, n)
  JOIN program p ON p.merchant_id = k.merchant
 CROSS JOIN LATERAL (SELECT * FROM coupon o WHERE program_id = p.id AND code = k.code AND effective_from <= k.at
                        AND NOT EXISTS (SELECT FROM coupon_end WHERE coupon_id = o.id AND effective_from <= o.effective_from)
                      ORDER BY effective_from DESC, id DESC LIMIT 1) c
  LEFT JOIN coupon_end e ON e.coupon_id = c.id
 ORDER BY k.n, c.program_id
