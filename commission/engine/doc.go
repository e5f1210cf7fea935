// Package engine is step 5 in the life of a click: it reads orders and refunds from Kafka, decides by package
// commission who earns what, posts to the books of package ledger, and sends what it did on its way to the reports.
//
// A partition of the topic belongs to one engine at a time (package position). What it has fetched is taken in slices
// of up to a thousand records, each in one PostgreSQL transaction:
//
//	lock     the partition's position, which refuses an engine that has lost its lease
//	admit    each record by the sequence rule: a duplicate is passed over, a gap halts the partition
//	gather   in bulk what is known of the orders that the records speak of
//	decide   fold, decide, and take the difference between what should stand on the books and what does
//	write    in bulk the events, orders, commissions, postings, and the ledger events that go to Kafka
//	save     the position, in the same transaction: either all of it is there, or none
//
// One order is one partition, and whatever changes an order holds the lock of that partition's position: slices, the
// end of holds, what people write to the inbox. So no order is ever locked by itself, and none is decided twice at a time.
//
// A commit whose answer is lost is not looked into: the slice is run again, and the position says whether there is
// anything left of it to do. PostgreSQL or Kafka being away makes the engine wait and never skip. A record that cannot
// be read becomes a dead letter; one that fails is retried alone, and becomes one when it fails six times.
package engine
