package loader

import (
	"testing"

	"tributary/internal/event"
	"tributary/internal/keyring"
)

// TestABatchWhoseKeyWasTakenAwayIsNotParked holds that a planned batch under a key that is gone halts its partition until the
// key is there again, and is then loaded once.
func TestABatchWhoseKeyWasTakenAwayIsNotParked(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.send(event.Touches, 0, 1, several(click, 1, 30)...)
	stop := r.run(r.loader(owner()))
	r.loaded(event.Touches, 30)
	stop()
	r.exec("TRUNCATE TABLE touch")
	r.equal("planned again", r.books(`WITH again AS (UPDATE clickhouse_batch SET state = 'planned', done_at = NULL WHERE rows > 0 RETURNING 1) SELECT count(*) FROM again`), r.books(`SELECT count(*) FROM clickhouse_batch WHERE rows > 0`))
	held := r.cluster.Keys
	r.cluster.Keys = []keyring.Key{keyring.Generate(9)}
	r.kafka = r.cluster.Open(t)
	stop = r.run(r.loader(owner()))
	r.eventually("the partition halts", func() bool { return r.books(`SELECT count(*) FROM position WHERE halted_key = 1`) == 1 })
	stop()
	r.equal("parked batches", r.books(`SELECT count(*) FROM clickhouse_batch WHERE state = 'parked'`), 0)
	r.cluster.Keys = append(r.cluster.Keys, held...)
	r.kafka = r.cluster.Open(t)
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 30)
	r.eventually("the rows are there again", func() bool { return r.number("SELECT count() FROM touch") == 30 })
	r.equal("halted", r.books(`SELECT count(*) FROM position WHERE halted <> ''`), 0)
}
