-- Who is alive to work on partitions, and how a partition that met a gap goes on.

-- +goose Up

-- The processes that share the partitions of a topic, each seen at every look at its leases.
CREATE TABLE consumer_owner (
  consumer text NOT NULL,
  topic    text NOT NULL,
  owner    text NOT NULL,
  seen     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, topic, owner)
) WITH (fillfactor = 40);

-- The sequence that was found above seq + 1 and halted the partition; 0 when none was. While a partition goes on with
-- it set, records of this spool above seq + 1 are dropped until the missing ones have been sent again.
ALTER TABLE high_water ADD COLUMN gap bigint NOT NULL DEFAULT 0;

GRANT SELECT, INSERT, UPDATE, DELETE ON consumer_owner TO tributary_engine, tributary_loader;
GRANT SELECT ON consumer_owner TO tributary_operator;
GRANT UPDATE ON high_water TO tributary_operator;
