-- Reports without effect: other content under a key that has one, or one refund too many. The same report again changes
-- nothing.
INSERT INTO order_conflict (order_no, merchant_id, kind, ref, content_hash, event_id, received_at, payload, reason, api_key_id,
                            ip_prefix, imported)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bytea[], $6::uuid[], $7::timestamptz[], $8::bytea[], $9::text[],
                     $10::bigint[], $11::text[], $12::boolean[])
    ON CONFLICT DO NOTHING
