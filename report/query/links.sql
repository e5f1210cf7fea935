-- Links of a partner, newest first, with what they earned in a period by currency. Clicks and orders are ClickHouse's.
SELECT l.id, l.code, l.label, l.target_url AS target, l.created_at, l.closed_at IS NOT NULL AS closed,
       g.id AS program_id, g.name AS program, m.name AS merchant,
       coalesce(e.currencies, '{}') AS currencies, coalesce(e.earned, '{}') AS earned
  FROM link l
  JOIN program g ON g.id = l.program_id
  JOIN merchant m ON m.id = g.merchant_id
  LEFT JOIN LATERAL (
        SELECT array_agg(currency ORDER BY currency) AS currencies, array_agg(net ORDER BY currency) AS earned
          FROM (SELECT unit AS currency, sum(net)::bigint AS net FROM commission c
                 WHERE c.partner_id = l.partner_id AND c.link_id = l.id AND c.occurred_at >= @from AND c.occurred_at < @to
                 GROUP BY unit) per_currency) e ON true
 WHERE l.partner_id = @partner
   AND (@link::bigint = 0 OR l.id = @link)
   AND (@program::bigint = 0 OR l.program_id = @program)
   AND (@state::text = '' OR (l.closed_at IS NULL) = (@state = 'open'))
   AND (@text::text = '' OR position(lower(@text) IN lower(l.code || ' ' || l.label || ' ' || l.target_url)) > 0)
   AND l.id < @after::bigint
 ORDER BY l.id DESC
 LIMIT @limit
