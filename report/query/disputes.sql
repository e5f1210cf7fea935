-- Disputes of the orders of a merchant, or of all, newest first.
SELECT d.no, d.ref, d.order_no, d.order_id, coalesce(m.name, '') AS merchant, coalesce(d.currency, '') AS currency, d.amount, d.at, d.due, d.taken_at, d.side, d.author, d.note,
       d.state, d.outcome_no, d.outcome_at, d.outcome_due, d.outcome_taken, d.outcome_side, d.outcome_author, d.outcome_note
  FROM scoped_dispute d
  LEFT JOIN merchant m ON m.id = d.merchant_id
 WHERE (@merchant::bigint = 0 OR d.merchant_id = @merchant)
   AND (@order::bigint = 0 OR d.order_no = @order)
   AND (@state::text = '' OR d.state = @state)
   AND (@text::text = '' OR position(lower(@text) IN lower(d.order_id)) > 0 OR position(lower(@text) IN lower(d.ref)) > 0)
   AND d.no < @after::bigint
 ORDER BY d.no DESC
 LIMIT @limit
