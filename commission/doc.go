// Package commission is step 5 in the life of a click: what is known of an order becomes money that somebody earned.
// It holds the decisions alone, as pure functions without SQL, clock or network; commission/engine reads the events,
// calls them and posts, commission/ledger keeps the books.
//
//	Fold       the events of one order, in any order and any number of copies, become one Order
//	Decide     the order, its click and the terms in force become a Decision: who earns what, and why
//	Movements  the decision becomes the whole history of what should stand on the books, each at its effective time
//	Difference what still has to be posted: what should stand there less what does
//	AppendJSON the record of the decision, from which a page explains every cent and Movements can be repeated
//
// Because each of them depends on the facts only and never on how they arrived, a duplicate, a refund before its sale
// or a late event needs no path of its own, and a replay gives the same books.
//
// The commission of a line is rate x (amount - refunded), rounded half away from zero, and the network's fee on it is
// the fee's rate x that commission, rounded the same way: the fold of what remains, once per line, never a sum of
// rounded refunds.
package commission
