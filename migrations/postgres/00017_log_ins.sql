-- What the log-ins need now that each is a user of its own: nobody falls back on the owner's rights.

-- +goose Up

-- Every process compares the schema with its own.
GRANT SELECT ON goose_db_version TO tributary_tracker, tributary_loader, tributary_engine, tributary_dashboard, tributary_operator, tributary_reader;

-- The engine goes over the books it keeps, and watches the river.
GRANT SELECT ON clickhouse_batch, consumer_owner, spool_progress, catalogue TO tributary_engine;

-- The commands that bring the servers in line after a restoration.
GRANT INSERT ON position, high_water, dead_letter TO tributary_operator;
GRANT INSERT, DELETE ON clickhouse_batch TO tributary_operator;

-- Who reads sees every table, those that come later among them, and no secret.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO tributary_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO tributary_reader;
REVOKE SELECT ON login, session, signing_secret FROM tributary_reader;
REVOKE SELECT ON login, session FROM tributary_operator;
GRANT SELECT (id, email, name, role, partner_id, merchant_id, created_at, disabled_at) ON login TO tributary_reader, tributary_operator;
