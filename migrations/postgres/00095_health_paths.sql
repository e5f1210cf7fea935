-- How many clicks orders wait to be told the path of, and since when, for the operator's page.

-- +goose Up
CREATE VIEW health_path AS
  SELECT count(*) AS wanted, min(written) AS since FROM path_wanted WHERE (SELECT app_operator());
GRANT SELECT ON health_path TO tributary_dashboard;
