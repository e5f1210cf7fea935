-- One page of commissions of a partner, or of a merchant. The page is cut before anything is joined to it, so that a
-- list costs the same however long it has become. The caller adds how it goes on and is sorted.
SELECT c.order_no, c.partner_id, c.role, c.unit, c.program_id, c.link_id, c.occurred_at, c.currency, c.lines, c.revenue, c.refunded, c.gross, c.net, c.fee, c.state, c.hold_until
  FROM commission c
 WHERE (@merchant::bigint = 0 OR c.merchant_id = @merchant)
   AND (@partner::bigint = 0 OR c.partner_id = @partner)
   AND (@state::text = '' OR c.state = @state)
   AND (@state <> '' OR @text::text <> '' OR c.state <> 'declined' OR c.lines > 0 OR c.gross <> 0) -- what another credit took the place of is found, not listed
   AND (@program::bigint = 0 OR c.program_id = @program)
   AND (@link::bigint = 0 OR c.link_id = @link)
   AND (@currency::text = '' OR c.unit = @currency)
   AND c.occurred_at >= @from AND c.occurred_at < @to
   AND (@text::text = '' OR EXISTS (SELECT FROM scoped_order o WHERE o.no = c.order_no AND position(lower(@text) IN lower(o.order_id)) > 0))
