-- Programs of a merchant, or those that a partner is in, each with its merchant and how many partners it has. The terms
-- come apart, since a program has many.
SELECT g.id, g.merchant_id AS merchant, g.name, g.landing_url, g.domains, g.click_param, g.currencies, g.created_at,
       m.name AS merchant_name, (SELECT count(*) FROM enrolment e WHERE e.program_id = g.id) AS partner_count
  FROM program g
  JOIN merchant m ON m.id = g.merchant_id
 WHERE (@merchant::bigint <> 0 AND g.merchant_id = @merchant)
    OR (@partner::bigint <> 0 AND EXISTS (SELECT FROM enrolment e WHERE e.program_id = g.id AND e.partner_id = @partner))
 ORDER BY m.name, g.name, g.id
 LIMIT 200
