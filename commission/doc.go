// Package commission is step 5 in the life of a click: what is known of an order becomes money that somebody earned.
// It holds the decisions alone, as pure functions without SQL, clock or network; commission/engine reads the events,
// calls them and posts, commission/ledger keeps the books.
//
//	Fold       the events of one order, as they were taken, with any number of copies, become one Order
//	Decide     the order and the candidates of its clicks, which others have looked up as of its time, become a Decision: who
//	           earns what, and why
//	Movements  the decision becomes the whole history of what should stand on the books, each at its effective time
//	Difference what still has to be posted: what should stand there less what does
//	AppendJSON the record of the decision, from which a page explains every cent and Movements can be repeated
//
// A report has two times, when the order was placed, as it states, and when it was received. Terms go by the first, the
// click's age by either (event.ClickAge), the hold by the later one; an operator's import has only the first.
//
// Because each of them depends on the facts only and never on how they arrived, a duplicate, a refund before its sale
// or a late event needs no path of its own, and a replay gives the same books. One thing alone goes by arrival: of several
// reports of one fact the first taken stands, also where they differ in nothing but their receipt.
//
// Sum first, round once: for each rule of the terms that prices lines of an order, a credit has rate x the sum of
// (amount - refunded) over those lines, rounded half away from zero, and the network's fee is its rate x the order's
// commission, rounded once the same way. A line shows its part by largest remainder. It is the fold of what remains,
// never a sum of rounded refunds, so how a merchant divides an order into lines of one rule changes nothing.
package commission
