-- Adds what orders have changed to the cells of their periods.
INSERT INTO period_cell AS c (period, day, says, hold_s, effective, count, revenue, commission)
SELECT no, date '1970-01-01' + day, says, hold_s, date '1970-01-01' + effective, count, revenue, commission
  FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[], $5::int[], $6::bigint[], $7::bigint[], $8::bigint[])
       n (no, day, says, hold_s, effective, count, revenue, commission)
    ON CONFLICT (period, day, says, hold_s, effective) DO UPDATE
   SET count = c.count + excluded.count, revenue = c.revenue + excluded.revenue, commission = c.commission + excluded.commission
