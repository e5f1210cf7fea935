// Package loader is step 3 of a click's life: it takes the records of Kafka's three topics into ClickHouse, each exactly
// once. It cuts what it reads into batches, writes each batch down in PostgreSQL (table clickhouse_batch) as planned, in
// the transaction that moves the position behind it, sends it as one insert with a token that names its offsets, and
// marks it done.
//
// # Why no row is lost or doubled
//
// The plan fixes a batch's offsets before anything is sent, so whoever finishes it, after any crash and on whichever
// machine, reads the same records again and sends the same rows under the same token. Only who holds the partition's
// lease can plan (package position); one that was frozen can at most repeat a token. A batch lies within one month of
// receipt, which is one partition of the table, so the server writes it as one part: whole or not at all.
//
// What a kill leaves behind, as seen on ClickHouse 26.7 (eighty kills at random moments of an insert, a trace of its
// system calls, and TestKilledServerIsCompletedByTheRetry):
//
//   - The part of the raw table is written, synced and renamed into place before the view's query begins. A kill in
//     between leaves all rows in the raw table and none in the rollup: ten of the eighty did.
//   - Sent again under the same token, the raw rows are dropped and the view's are not, so the retry completes the
//     rollup. The row count of the raw table therefore cannot show that a batch is done; a batch whose outcome is not
//     known is always sent again.
//   - A token is written to the table's deduplication log just before the part is renamed. A kill between these two
//     system calls leaves a token without rows, and a retry is dropped for nothing. So the rows are counted after a
//     retry. None there, on a server without replicas: the batch gets a new generation, hence a new token, and is sent
//     again. Any other number but all: the batch is parked, which is an alarm, and a person decides.
//   - The same between the two calls for the view's part leaves the rollup without those rows for good. The window is some
//     ten microseconds; Check finds it by comparing the rollup with the raw table, and RebuildRollups writes the difference.
//   - The log of tokens is not synced, and the parts are. After a power cut, a part may be there and its token not, so that
//     the retry doubles the rows of that batch: the count finds it, and the batch is parked.
//
// Kafka may lose what was planned, too: retention passes it, or the topic is recreated. Such a plan is taken back, and the
// marks of the sequence rule with it, so that the records are missed and sent again from their spool (other.go). A record
// that cannot be a row becomes a dead letter, and when an operator retries it, becomes one, once, in the same manner (letter.go).
//
// A server remembers the last 10,000 tokens of a table (its non_replicated_deduplication_window). A batch that has been
// open for longer, with its rows in place, is parked instead of sent.
package loader
