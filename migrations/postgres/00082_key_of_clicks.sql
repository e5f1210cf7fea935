-- The key of an order of counted clicks is its own, too: what was said of one had that of a merchant's order of the same name.

-- +goose Up
CREATE OR REPLACE FUNCTION order_key(merchant bigint, keys smallint, id text) RETURNS bytea LANGUAGE sql STABLE
  RETURN convert_to(merchant::text || CASE keys WHEN 1 THEN '!' WHEN 2 THEN '#' ELSE '|' END || id, 'UTF8');
