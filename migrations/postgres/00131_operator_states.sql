-- The operator states where a partner stands in a program on a page as well; which steps there are take_enrolment_step says. A partner
-- does not read a state that others planned for them before it holds; their own steps they read at once.

-- +goose Up
DROP POLICY author ON enrolment_fact;
CREATE POLICY author ON enrolment_fact AS RESTRICTIVE FOR INSERT TO tributary_dashboard
  WITH CHECK (CASE kind WHEN 'accept' THEN partner_id = (SELECT app_partner())
    ELSE kind = 'state' AND (partner_id = (SELECT app_partner()) OR (SELECT app_operator()))
      OR EXISTS (SELECT FROM program p WHERE p.id = program_id AND p.merchant_id = (SELECT app_merchant())) END);
CREATE POLICY planned ON enrolment_fact AS RESTRICTIVE FOR SELECT TO tributary_dashboard
  USING ((SELECT app_partner()) IS NULL OR kind <> 'state' OR effective_from <= now() OR value IN ('left', 'applied')
    OR author = 'login:' || current_setting('app.login', true));
