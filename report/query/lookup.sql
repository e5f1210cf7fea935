-- Rows of a scope that somebody looks for: orders, links and coupons by the whole of their id or code, what has a name by a
-- part of it. A partner's orders are find_order's. The scope's own policies stand before all of it.
(SELECT 'order' AS kind, o.no AS id, o.order_id AS name, m.name AS of, 0::bigint AS partner
   FROM merchant m JOIN orders o ON o.merchant_id = m.id AND o.order_id = ANY (@whole::text[]) AND o.keys IN (0, 1)
  WHERE @partner::bigint = 0 AND (@merchant::bigint = 0 OR m.id = @merchant)
  ORDER BY m.name, o.no LIMIT @most)
UNION ALL
(SELECT 'link', l.id, l.code, p.name, l.partner_id
   FROM link l JOIN partner p ON p.id = l.partner_id JOIN program g ON g.id = l.program_id
  WHERE l.code = ANY (@whole) AND @partner = 0 AND (@merchant = 0 OR g.merchant_id = @merchant)
  ORDER BY l.id LIMIT @most)
UNION ALL
(SELECT 'link', l.id, coalesce(nullif(l.label, ''), l.code), g.name, l.partner_id
   FROM link l JOIN program g ON g.id = l.program_id
  WHERE @partner <> 0 AND l.partner_id = @partner AND position(lower(@text::text) IN lower(l.code || ' ' || l.label || ' ' || l.target_url)) > 0
  ORDER BY l.id DESC LIMIT @most)
UNION ALL
(SELECT 'partner', p.id, p.name, p.site_url, p.id
   FROM partner p
  WHERE @partner = 0 AND position(lower(@text) IN lower(p.name || ' ' || p.site_url)) > 0
    AND (@merchant = 0 OR EXISTS (SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE e.partner_id = p.id AND g.merchant_id = @merchant))
  ORDER BY lower(p.name), p.id LIMIT @most)
UNION ALL
(SELECT 'merchant', m.id, m.name, '', 0
   FROM merchant m
  WHERE @partner = 0 AND @merchant = 0 AND position(lower(@text) IN lower(m.name)) > 0
  ORDER BY lower(m.name), m.id LIMIT @most)
UNION ALL
(SELECT 'program', g.id, g.name, m.name, 0
   FROM program g JOIN merchant m ON m.id = g.merchant_id
  WHERE (@partner <> 0 AND EXISTS (SELECT FROM enrolment e WHERE e.program_id = g.id AND e.partner_id = @partner) OR @merchant <> 0 AND g.merchant_id = @merchant)
    AND position(lower(@text) IN lower(g.name || ' ' || m.name)) > 0
  ORDER BY lower(g.name), g.id LIMIT @most)
UNION ALL
(SELECT 'coupon', c.id, c.written, g.name, 0
   FROM program g JOIN coupon c ON c.program_id = g.id AND c.code = @code::text
  WHERE @merchant <> 0 AND g.merchant_id = @merchant
  ORDER BY c.effective_from DESC LIMIT @most)
