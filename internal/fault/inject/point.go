// Package inject names the places at which the harness (test/chaos) ends or freezes a process: before and after each
// commit, insert, produce, fsync and answer. A normal build has none of it: Reach is empty there, and inlined to nothing.
// A build with the tag "failpoints" acts on the variable TRIBUTARY_FAILPOINT.
package inject

// Variable holds the point that a process built with the tag "failpoints" acts on: NAME@N kills it with SIGKILL when it
// reaches the point for the Nth time, and NAME@N:stop freezes it there with SIGSTOP, once.
const Variable = "TRIBUTARY_FAILPOINT"

// Point is a named place in the code.
type Point string

// The points, in the order in which an event passes them.
const (
	TrackerBeforeAppend Point = "tracker/before-append" // a report is valid, and not yet in the spool
	SpoolBeforeWrite    Point = "spool/before-write"    // a group is stamped, and not written
	SpoolBeforeSync     Point = "spool/before-sync"     // it is written, and not durable
	SpoolAfterSync      Point = "spool/after-sync"      // it is durable, and nobody knows
	SpoolAfterSegment   Point = "spool/after-segment"   // a new segment's header is durable, and nothing is behind it
	SpoolAfterCommit    Point = "spool/after-commit"    // readers may see the group, those who wait do not know
	TrackerBeforeAnswer Point = "tracker/before-answer" // a report is durable, and not answered

	RelayBeforeProduce Point = "relay/before-produce"
	RelayAfterProduce  Point = "relay/after-produce" // Kafka has acknowledged, and the lane does not know
	RelayAfterAck      Point = "relay/after-ack"     // the lane has moved on, its place is not written down
	RelayBeforePlace   Point = "relay/before-place"
	RelayAfterPlace    Point = "relay/after-place"

	PositionAfterClaim Point = "position/after-claim" // leases are taken, and nothing is done under them

	LoaderBeforePlan   Point = "loader/before-plan"   // in the transaction that plans a batch, before its commit
	LoaderAfterPlan    Point = "loader/after-plan"    // behind its commit
	LoaderBeforeInsert Point = "loader/before-insert" // the batch's first byte is not sent
	LoaderInsideInsert Point = "loader/inside-insert" // all rows are sent, the end of the insert is not
	LoaderAfterInsert  Point = "loader/after-insert"  // ClickHouse has answered
	LoaderAfterDone    Point = "loader/after-done"    // the batch is marked as done

	ProducerBeforeCommit  Point = "producer/before-commit" // what is to be said of orders is in the outbox, its transaction is open
	ProducerAfterCommit   Point = "producer/after-commit"
	ProducerBeforeProduce Point = "producer/before-produce" // it is read from the outbox
	ProducerAfterProduce  Point = "producer/after-produce"  // Kafka has it, and nobody knows
	ProducerAfterMark     Point = "producer/after-mark"     // it is marked as sent

	EngineBeforeCommit  Point = "engine/before-commit" // orders are written, their transaction is open
	EngineAfterCommit   Point = "engine/after-commit"
	EngineBeforeProduce Point = "engine/before-produce" // ledger events are read from the outbox
	EngineAfterProduce  Point = "engine/after-produce"  // Kafka has them, the outbox has them still
	EngineAfterClear    Point = "engine/after-clear"    // the outbox is cleared
	EngineBeforeRelease Point = "engine/before-release" // ended holds are written, their transaction is open
	EngineAfterRelease  Point = "engine/after-release"
	EngineBeforeSettle  Point = "engine/before-settle" // settled periods are written, their transaction is open
	EngineAfterSettle   Point = "engine/after-settle"

	SealBeforeCommit Point = "seal/before-commit" // a block of the chain is written, its transaction is open
	SealAfterCommit  Point = "seal/after-commit"
)

// Points lists all of them.
func Points() []Point {
	return []Point{
		TrackerBeforeAppend, SpoolBeforeWrite, SpoolBeforeSync, SpoolAfterSync, SpoolAfterSegment, SpoolAfterCommit, TrackerBeforeAnswer,
		RelayBeforeProduce, RelayAfterProduce, RelayAfterAck, RelayBeforePlace, RelayAfterPlace,
		PositionAfterClaim,
		LoaderBeforePlan, LoaderAfterPlan, LoaderBeforeInsert, LoaderInsideInsert, LoaderAfterInsert, LoaderAfterDone,
		ProducerBeforeCommit, ProducerAfterCommit, ProducerBeforeProduce, ProducerAfterProduce, ProducerAfterMark,
		EngineBeforeCommit, EngineAfterCommit, EngineBeforeProduce, EngineAfterProduce, EngineAfterClear, EngineBeforeRelease, EngineAfterRelease,
		EngineBeforeSettle, EngineAfterSettle,
		SealBeforeCommit, SealAfterCommit,
	}
}
