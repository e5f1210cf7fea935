-- Commissions of a partner, or of a merchant, that a list asks for. The caller adds the order, the place to go on from
-- and the limit.
SELECT c.order_no, o.order_id, c.occurred_at, c.currency, c.revenue, c.refunded, c.gross, c.net, c.fee, c.state, c.hold_until,
       g.name AS program, p.name AS partner, p.id AS partner_id, coalesce(l.code, '') AS link, coalesce(l.label, '') AS label, c.link_id
  FROM commission c
  JOIN orders o ON o.no = c.order_no
  JOIN program g ON g.id = c.program_id
  JOIN partner p ON p.id = c.partner_id
  LEFT JOIN link l ON l.id = c.link_id
 WHERE (@merchant::bigint = 0 OR c.merchant_id = @merchant)
   AND (@state::text = '' OR c.state = @state)
   AND (@program::bigint = 0 OR c.program_id = @program)
   AND (@link::bigint = 0 OR c.link_id = @link)
   AND (@currency::text = '' OR c.currency = @currency)
   AND c.occurred_at >= @from AND c.occurred_at < @to
   AND (@text::text = '' OR position(lower(@text) IN lower(o.order_id)) > 0)
   AND (@partner::bigint = 0 OR c.partner_id = @partner)
