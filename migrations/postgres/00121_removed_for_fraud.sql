-- Whoever is removed for fraud has their open commissions held from then on, each until a person decides. The removal waits in the inbox
-- until a minute after it takes effect: whatever was being decided without it is in the books by then. What is decided later, of orders from before, an engine holds
-- as it decides it.

-- +goose Up
-- Holds the open commissions of a partner under a removal, of all orders or of some, and says how many orders that are.
-- +goose StatementBegin
CREATE FUNCTION hold_removed(removal bigint, orders bigint[]) RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH open AS (
    SELECT DISTINCT f.no, f.partner_id, f.author, f.note, f.created_at, f.effective_from, c.order_no
      FROM enrolment_fact f JOIN commission c ON c.partner_id = f.partner_id AND c.program_id = f.program_id
     WHERE f.no = removal AND f.kind = 'state' AND f.value = 'removed:fraud' AND f.effective_from <= now() AND c.state IN ('pending', 'payable')
       AND (hold_removed.orders IS NULL OR c.order_no = ANY (hold_removed.orders))
       -- Nothing was stated in its place before it took effect.
       AND NOT EXISTS (SELECT FROM enrolment_fact g WHERE g.program_id = f.program_id AND g.partner_id = f.partner_id AND g.kind = 'state' AND g.no > f.no)
  ), held AS (
    INSERT INTO inbox (lane, key, kind, ref, content, author, note, side, at)
    SELECT o.lane, k.key, 'review', 'removed:' || p.no, convert_to(json_strip_nulls(json_build_object('merchant', o.merchant_id, 'keys', nullif(o.keys, 0),
             'order', o.order_id, 'verb', 'hold', 'code', 'partner_removed', 'partner', p.partner_id))::text, 'UTF8'),
           p.author, p.note, CASE p.author WHEN 'operator' THEN 'operator' ELSE 'merchant' END, greatest(p.effective_from, p.created_at)
      FROM open p JOIN orders o ON o.no = p.order_no
     CROSS JOIN LATERAL (SELECT order_key(o.merchant_id, o.keys, o.order_id) AS key OFFSET 0) k
     WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.key = k.key AND i.kind = 'review' AND i.ref = 'removed:' || p.no)
    RETURNING no
  )
  SELECT count(*) FROM held
$$;

CREATE FUNCTION queue_removal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO inbox (lane, key, kind, ref, content, author, note, due)
  VALUES (0, convert_to('enrolment|' || NEW.program_id || '|' || NEW.partner_id, 'UTF8'), 'removal', NEW.no::text, '', NEW.author, NEW.note, NEW.effective_from + interval '1 minute');
  RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION hold_removed(bigint, bigint[]), queue_removal() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_removed(bigint, bigint[]) TO tributary_engine;
CREATE TRIGGER queue_removal AFTER INSERT ON enrolment_fact FOR EACH ROW WHEN (NEW.kind = 'state' AND NEW.value = 'removed:fraud') EXECUTE FUNCTION queue_removal();

-- The log of what people do has the fact; what waits for it is none of theirs.
DROP TRIGGER noted ON inbox;
CREATE TRIGGER noted AFTER INSERT ON inbox FOR EACH ROW
  WHEN (session_user IN ('tributary_dashboard', 'tributary_operator') AND NEW.kind NOT IN ('manual_line', 'removal')) EXECUTE FUNCTION note_act('', 'order');
