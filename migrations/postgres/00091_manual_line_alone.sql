-- A manual line settles a period of its own unit. What one person enters for a partner in a day is taken together: it needs a
-- second person from the line on with which it is more than one person may enter.

-- +goose Up
CREATE INDEX manual_line_author ON manual_line (partner_id, author, at);
DROP FUNCTION add_manual_line(bigint, bigint, text, bigint, text, bigint, boolean, text, text);

-- Enters a line. alone is what one person may enter for a partner within 24 hours, in minor units of the line's: what was paid and
-- what was taken back, added up, without what was withdrawn or declined and what another person had to approve. waits tells that
-- this line is more. problem is empty for a line that was entered; unknown, where the merchant, the partner or the period is not the
-- scope's, or where a merchant would have the network pay; or other_unit, where the period is of another.
-- +goose StatementBegin
CREATE FUNCTION add_manual_line(merchant bigint, partner bigint, unit text, amount bigint, payer text, period bigint, alone bigint, author text, note text,
  OUT no bigint, OUT waits boolean, OUT problem text) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  line manual_line;
  before numeric;
  settled text;
BEGIN
  problem := 'unknown';
  IF app_side(merchant) IS NULL OR payer <> 'merchant' AND NOT app_operator()
     OR NOT EXISTS (SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = merchant AND e.partner_id = partner) THEN
    RETURN;
  END IF;
  IF period IS NOT NULL THEN
    SELECT p.unit INTO settled FROM period p WHERE p.no = period AND p.merchant_id = merchant AND p.partner_id = partner;
    IF NOT FOUND THEN RETURN; END IF;
    problem := 'other_unit';
    IF settled <> unit THEN RETURN; END IF;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('manual lines of ' || author || ' for ' || partner, 0));
  SELECT coalesce(sum(abs(m.amount)), 0) INTO before FROM manual_line m
   WHERE m.partner_id = partner AND m.author = author AND m.at > now() - interval '24 hours' AND m.unit = unit AND NOT m.second
     AND NOT EXISTS (SELECT FROM manual_verdict v WHERE v.line = m.no AND v.verdict IN ('decline', 'withdraw'));
  INSERT INTO manual_line (merchant_id, partner_id, unit, amount, payer, period_no, second, side, author, note)
  VALUES (merchant, partner, unit, amount, payer, period, before + abs(amount) > alone, app_side(merchant), author, note) RETURNING * INTO line;
  IF NOT line.second THEN
    PERFORM post_manual_line(line, author);
  END IF;
  no := line.no;
  waits := line.second;
  problem := '';
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION add_manual_line(bigint, bigint, text, bigint, text, bigint, bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_manual_line(bigint, bigint, text, bigint, text, bigint, bigint, text, text) TO tributary_dashboard, tributary_operator;
