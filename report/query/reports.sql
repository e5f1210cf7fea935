-- Every report of an order, oldest first, those without effect included, with the key and the network that each came from. A path
-- is none: the network itself has looked it up.
SELECT r.kind, r.ref, r.received_at, r.api_key_id AS key_id, r.ip_prefix AS network, r.imported, r.conflict,
       CASE WHEN k.id IS NULL THEN '' WHEN k.label = '' THEN k.prefix || '…' ELSE k.label END AS key
  FROM (SELECT kind, ref, received_at, api_key_id, ip_prefix, imported, false AS conflict FROM order_event WHERE order_no = $1 AND kind <> 3
        UNION ALL
        SELECT kind, ref, received_at, api_key_id, ip_prefix, imported, true FROM order_conflict WHERE order_no = $1) r
  LEFT JOIN api_key k ON k.id = r.api_key_id
 ORDER BY r.received_at, r.conflict, r.kind, r.ref
 LIMIT 1000
