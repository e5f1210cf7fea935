-- The audit log that the scope reads, newest first.
SELECT no, at, email, "of", key_id, address, request, kind, id, made, before::text AS before, after::text AS after
  FROM scoped_audit
 WHERE (@kind::text = '' OR kind = @kind)
   AND (@text::text = '' OR strpos(lower(email || ' ' || "of" || ' ' || id || ' ' || request), lower(@text)) > 0)
   AND at >= @from AND at < @to
   AND no < @no::bigint
 ORDER BY no DESC
 LIMIT @limit
