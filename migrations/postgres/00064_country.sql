-- Whether clicks have a country, which merchants ask whose terms go by it.

-- +goose Up
ALTER TABLE spool_progress ADD COLUMN countries timestamptz; -- when the tracker's database of countries was built; null without one

CREATE VIEW country_known AS
  SELECT EXISTS (SELECT FROM spool_progress WHERE countries IS NOT NULL AND seen > now() - interval '10 minutes') AS known;
GRANT SELECT ON country_known TO tributary_dashboard;
