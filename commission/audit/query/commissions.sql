-- What the commissions add up to beside what orders have posted to the accounts: those of each partner in all roles and of
-- each customer, and of each merchant the fees, what it owes and what it has given to customers, unit by unit. What is paid
-- has left the account by a payout.
WITH balance AS (
  SELECT a.id, a.kind, a.merchant_id, a.partner_id, a.customer_no, a.unit,
         coalesce((SELECT sum(amount) FROM posting WHERE credit = a.id AND source = 1), 0) -
         coalesce((SELECT sum(amount) FROM posting WHERE debit = a.id AND source = 1), 0) AS amount
    FROM account a),
earned AS (
  SELECT merchant_id, partner_id, unit, sum(pending) AS pending, sum(payable + paid) AS payable, sum(held) AS held, sum(net) AS net, sum(fee) AS fee
    FROM commission WHERE role <> 'customer' GROUP BY 1, 2, 3),
given AS (
  SELECT c.merchant_id, k.no AS customer_no, c.unit, sum(c.pending) AS pending, sum(c.payable + c.paid) AS payable, sum(c.net) AS net
    FROM commission c JOIN orders o ON o.no = c.order_no LEFT JOIN customer k ON (k.merchant_id, k.customer_id) = (o.merchant_id, o.customer_id)
   WHERE c.role = 'customer' GROUP BY 1, 2, 3),
expected AS (
  SELECT 'partner_pending' AS kind, merchant_id, partner_id, NULL::bigint AS customer_no, unit, pending AS amount FROM earned
  UNION ALL SELECT 'partner_payable', merchant_id, partner_id, NULL, unit, payable FROM earned
  UNION ALL SELECT 'partner_held', merchant_id, partner_id, NULL, unit, held FROM earned
  UNION ALL SELECT 'fee', merchant_id, NULL, NULL, unit, fee FROM earned
  UNION ALL SELECT 'merchant_receivable', merchant_id, NULL, NULL, unit, -net - fee FROM earned
  UNION ALL SELECT 'wallet_pending', merchant_id, NULL, customer_no, unit, pending FROM given
  UNION ALL SELECT 'wallet', merchant_id, NULL, customer_no, unit, payable FROM given
  UNION ALL SELECT 'promotions_issued', merchant_id, NULL, NULL, unit, -net FROM given),
actual AS (
  SELECT CASE WHEN kind IN ('fee_pending', 'fee_earned') THEN 'fee' ELSE kind END AS kind, merchant_id, partner_id, customer_no, unit, amount FROM balance)
SELECT 'account', format('%s of merchant %s, %s, %s', kind, merchant_id,
                         CASE WHEN customer_no IS NULL THEN format('partner %s', coalesce(partner_id::text, 'none')) ELSE format('customer %s', customer_no) END, unit), 'balance',
       coalesce(sum(want), 0)::text, coalesce(sum(have), 0)::text
  FROM (SELECT kind, merchant_id, partner_id, customer_no, unit, amount AS want, NULL::numeric AS have FROM expected
        UNION ALL SELECT kind, merchant_id, partner_id, customer_no, unit, NULL, amount FROM actual) both_sides
 GROUP BY kind, merchant_id, partner_id, customer_no, unit
HAVING coalesce(sum(want), 0) <> coalesce(sum(have), 0) LIMIT $1
