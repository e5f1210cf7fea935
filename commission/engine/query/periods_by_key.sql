-- What stands of the periods with these keys: one row for each that is known.
SELECT k.n, p.no, p.version, p.released_until, p.record::text
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY k (program, partner, role, rule, span, unit, n)
 CROSS JOIN LATERAL (SELECT no, version, released_until, record FROM period
        WHERE program_id = k.program AND partner_id = k.partner AND role = k.role AND rule = k.rule AND span = k.span AND unit = k.unit OFFSET 0) p
