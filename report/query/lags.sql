-- What each stage of the river has still to do, by topic and lane: records that the stage before it has and it has not.
-- Lanes of a spool are those of touches, then those of orders, each as many as a topic has partitions.
WITH partitions AS (SELECT count(*) AS n FROM health_lane WHERE consumer = 'engine' AND topic = 'orders'),
spools AS (SELECT s.spool, CASE WHEN s.lane < n THEN 'touches' ELSE 'orders' END AS topic, s.lane % n AS lane, s.last, s.sent
             FROM health_spool s, partitions WHERE n > 0)
SELECT 'relay' AS stage, topic, lane, sum(last - sent)::bigint AS records FROM spools GROUP BY topic, lane
UNION ALL
SELECT l.consumer, l.topic, l.partition, coalesce(sum(greatest(p.sent - coalesce(s.seq, 0), 0)), 0)::bigint
  FROM health_lane l
  LEFT JOIN spools p ON p.topic = l.topic AND p.lane = l.partition
  LEFT JOIN health_seen s ON (s.consumer, s.topic, s.partition, s.spool) = (l.consumer, l.topic, l.partition, p.spool)
 WHERE l.topic IN ('touches', 'orders') AND l.consumer <> 'producer' GROUP BY l.consumer, l.topic, l.partition
UNION ALL
SELECT 'outbox', 'ledger', lane, unsent FROM health_sent
UNION ALL
SELECT l.consumer, l.topic, l.partition, greatest(t.through_seq - coalesce((SELECT max(s.seq) FROM health_seen s
         WHERE (s.consumer, s.topic, s.partition) = (l.consumer, l.topic, l.partition)), 0), 0)
  FROM health_lane l JOIN health_sent t ON t.lane = l.partition WHERE l.topic = 'ledger'
ORDER BY stage, topic, lane
