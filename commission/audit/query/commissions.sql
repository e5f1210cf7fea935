-- What the commissions add up to beside what orders have posted to the accounts: those of each partner in all roles, and of
-- each merchant the fees and what it owes, unit by unit. What is paid has left the account by a payout.
WITH balance AS (
  SELECT a.id, a.kind, a.merchant_id, a.partner_id, a.unit,
         coalesce((SELECT sum(amount) FROM posting WHERE credit = a.id AND source = 1), 0) -
         coalesce((SELECT sum(amount) FROM posting WHERE debit = a.id AND source = 1), 0) AS amount
    FROM account a),
earned AS (
  SELECT merchant_id, partner_id, unit, sum(pending) AS pending, sum(payable + paid) AS payable FROM commission GROUP BY 1, 2, 3),
owed AS (
  SELECT merchant_id, unit, sum(net) + sum(fee) AS amount, sum(fee) AS fee FROM commission GROUP BY 1, 2),
expected AS (
  SELECT 'partner_pending' AS kind, merchant_id, partner_id, unit, pending AS amount FROM earned
  UNION ALL SELECT 'partner_payable', merchant_id, partner_id, unit, payable FROM earned
  UNION ALL SELECT 'fee', merchant_id, NULL, unit, fee FROM owed
  UNION ALL SELECT 'merchant_receivable', merchant_id, NULL, unit, -amount FROM owed),
actual AS (
  SELECT kind, merchant_id, partner_id, unit, amount FROM balance WHERE kind NOT IN ('fee_pending', 'fee_earned')
  UNION ALL
  SELECT 'fee', merchant_id, NULL, unit, sum(amount) FROM balance WHERE kind IN ('fee_pending', 'fee_earned') GROUP BY merchant_id, unit)
SELECT 'account', format('%s of merchant %s, partner %s, %s', kind, merchant_id, coalesce(partner_id::text, 'none'), unit), 'balance',
       coalesce(sum(want), 0)::text, coalesce(sum(have), 0)::text
  FROM (SELECT kind, merchant_id, partner_id, unit, amount AS want, NULL::numeric AS have FROM expected
        UNION ALL SELECT kind, merchant_id, partner_id, unit, NULL, amount FROM actual) both_sides
 GROUP BY kind, merchant_id, partner_id, unit
HAVING coalesce(sum(want), 0) <> coalesce(sum(have), 0) LIMIT $1
