// Package ledger is the double-entry books that step 5 in the life of a click writes and every later step reads.
//
// A posting is one row that moves a positive amount of one unit from a credited account to a debited one, so books that
// do not balance cannot be written: a posting has both its sides, and the database refuses one whose accounts do not
// both hold its unit. Nothing is ever changed or deleted; a mistake is put right by a further posting. Several postings
// of one cause share the name of their transaction: the source (an order), its number, and the version of the source.
//
// No balance is kept up to date anywhere, so no row is fought over. A balance is the account's last checkpoint plus
// what was posted behind it, now or as of a time. The Sealer adds the checkpoints, and over the same postings a hash
// chain whose head is written to the log: whoever changes a row later, and be it the database's administrator, breaks
// the chain behind a head that stands outside the database.
package ledger
