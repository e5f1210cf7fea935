// Package period is the second fold of step 5 in the life of a click: what a partner's orders of a period come to together,
// and what the terms pay or take back for that: tiers, goals, caps. It is pure, without SQL, clock or network.
//
//	Contributions  what one credit of a decision adds to the sums of the periods that it counts in
//	Difference     the contributions of a decision less those of the one before it: what the order's transaction writes
//	Settle         the sums of a period become what it pays, sale day by sale day
//	Rank           the same from the orders one by one, where sums do not say which orders are paid for
//	Movements      what a period pays becomes the whole history of what should stand on the books for it
//
// What a period is paid by are sums, or orders sorted by their time and the merchant's id: neither depends on how facts
// arrived. A period reads no other period and prices no line, so nothing is decided again because other orders came.
//
// Sums stand in cells: the sale's day, the rule by which it counts (one version of the terms), the length of its hold, and
// the day from which on it is so. A sale adds on its own day, a refund takes on the day of the refund. All cells of one sale
// day, rule and hold are a bucket, which is paid by its own rule and has a hold of its own. For each effective day in order
// the buckets are gone through in order with the running measure; a bucket's amount is what the rule pays for all up to its
// end less what it pays for all up to its beginning. What that differs from the day before is one movement at the end of the
// effective day. Since every amount is the difference of two totals, buckets add up to the total to the unit, and what is
// rounded is rounded once a band.
package period
