-- A recruiter is a partner of the program: orders under a fact that named another could not be booked. Facts of before stay as they
-- are; where they name no partner at all, nobody is the recruiter.

-- +goose Up
ALTER TABLE enrolment_fact ADD COLUMN recruiter bigint GENERATED ALWAYS AS
  (CASE WHEN kind = 'recruiter' AND value ~ '^[1-9][0-9]{0,17}$' THEN value::bigint END) STORED;
ALTER TABLE enrolment_fact ADD CONSTRAINT enrolment_fact_recruiter FOREIGN KEY (program_id, recruiter) REFERENCES enrolment NOT VALID;
