-- Claims of a partner, or of the orders of a merchant, newest first.
SELECT c.no, c.order_id, c.program_id, g.name AS program, m.name AS merchant, c.partner_id, p.name AS partner, c.click_id, c.at, c.note, c.outcome, c.outcome_no, c.outcome_at,
       c.outcome_due, c.outcome_taken, c.outcome_note, c.outcome_author, c.order_no, c.placed_at
  FROM scoped_claim c
  JOIN program g ON g.id = c.program_id
  JOIN merchant m ON m.id = c.merchant_id
  JOIN partner p ON p.id = c.partner_id
 WHERE (@merchant::bigint = 0 OR c.merchant_id = @merchant)
   AND (@partner::bigint = 0 OR c.partner_id = @partner)
   AND (@claim::bigint = 0 OR c.no = @claim)
   AND (@program::bigint = 0 OR c.program_id = @program)
   AND (@outcome::text = '' OR c.outcome = @outcome)
   AND (@text::text = '' OR position(lower(@text) IN lower(c.order_id)) > 0 OR position(lower(@text) IN lower(p.name)) > 0)
   AND c.no < @after::bigint
 ORDER BY c.no DESC
 LIMIT @limit
