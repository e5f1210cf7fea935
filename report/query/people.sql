-- Who has a seat in the scope, latest first.
SELECT seat_id, email, name, role, CASE WHEN network THEN 'network' WHEN merchant_id <> 0 THEN 'merchant' ELSE 'partner' END AS org, "of", created_at, used_at, disabled
  FROM scoped_person
 WHERE (@text::text = '' OR strpos(lower(email || ' ' || name || ' ' || "of"), lower(@text)) > 0)
   AND seat_id < @seat::bigint
 ORDER BY seat_id DESC
 LIMIT @limit
