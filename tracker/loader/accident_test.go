package loader

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/internal/event"
	"tributary/internal/position"
)

// What befalls a topic halts its loading, whether or not a loader runs meanwhile, for a reason that says what happened;
// nothing is passed over, and the right remedy brings every record in once.
func TestATopicThatMeetsWithAnAccidentHalts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// accident befalls a topic whose first 40 records are loaded.
		accident func(r *river)
		halted   []string // any of them
		// remedy lets it go on, and sends what is needed for 70 rows.
		remedy func(r *river)
	}{
		{
			name:     "recreated, and shorter",
			accident: func(r *river) { r.recreate(); r.again(1, 41, 70) },
			halted:   []string{"was recreated", "holds offsets 0 to -1, but 40 is the next to read", "holds offsets 0 to 29, but 40"},
			remedy:   func(r *river) { r.resume(position.FromFirst, 0) },
		},
		{
			// The offset is there, its record has been seen, and so would have been those behind it: only the
			// topic's id tells that the records of spool 2 have never been read.
			name: "recreated, and longer",
			accident: func(r *river) {
				r.recreate()
				r.again(2, 1, 20)
				r.again(1, 1, 50)
			},
			halted: []string{"was recreated", "holds offsets 0 to -1, but 40 is the next to read", "holds offsets 0 to 19, but 40"},
			remedy: func(r *river) { r.resume(position.FromFirst, 0) },
		},
		{
			name: "retention has passed the position",
			accident: func(r *river) {
				r.again(1, 41, 60)
				r.expire(55)
			},
			halted: []string{"holds offsets 55 to 59, but 40 is the next to read"},
			remedy: func(r *river) {
				r.resume(position.FromFirst, 55)
				if reason := r.halted(); !strings.Contains(reason, "15 records are missing") {
					r.t.Errorf("behind the gap, the partition halts with %q", reason)
				}
				r.resume(position.Refilled, 0)
				r.again(1, 41, 70) // the spool keeps what Kafka has let go of
			},
		},
	} {
		for _, running := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, loader running %v", c.name, running), func(t *testing.T) {
				t.Parallel()
				r := newRiver(t, 1)
				r.again(1, 1, 40)
				stop := r.run(r.loader(owner()))
				r.loaded(event.Touches, 40)
				if running && !strings.HasPrefix(c.name, "retention") { // a loader that runs is not so far behind
					c.accident(r)
				} else {
					stop()
					c.accident(r)
					r.run(r.loader(owner()))
				}
				reason := r.halted()
				known := false
				for _, want := range c.halted {
					known = known || strings.Contains(reason, want)
				}
				if !known {
					t.Errorf("the partition halts with %q, want one of %q", reason, c.halted)
				}
				r.equal("rows while it is halted", r.number("SELECT count() FROM touch"), 40)
				c.remedy(r)
				r.eventually("the rest is loaded", func() bool { return r.number("SELECT count() FROM touch") >= 70 })
				r.eventually("nothing is open", func() bool { return r.books(`SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`) == 0 })
				r.once(event.Touches, 70)
			})
		}
	}
}

// A batch was planned and its process killed before it sent anything. Then Kafka loses the records: they are asked for again.
func TestAPlanWhoseRecordsAreGoneIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		accident func(r *river)
		remedy   func(r *river)
	}{
		"recreated, and shorter": {
			accident: func(r *river) { r.recreate() },
			remedy: func(r *river) {
				r.halted()
				r.resume(position.FromFirst, 0)
				r.again(1, 1, 70) // the relay was rewound
			},
		},
		"recreated, and longer": {
			accident: func(r *river) { r.recreate(); r.again(1, 1, 70) },
			remedy:   func(r *river) { r.halted(); r.resume(position.FromFirst, 0) },
		},
		"retention has passed them": {
			accident: func(r *river) { r.again(1, 56, 60); r.expire(55) },
			remedy: func(r *river) {
				if reason := r.halted(); !strings.Contains(reason, "15 records are missing") {
					r.t.Errorf("the partition halts with %q", reason)
				}
				r.resume(position.Refilled, 0)
				r.again(1, 41, 70)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRiver(t, 1)
			r.again(1, 1, 40)
			stop := r.run(r.loader(owner()))
			r.loaded(event.Touches, 40)
			stop()
			r.again(1, 41, 55)
			ctx, h, release := r.hold(event.Touches, owner())
			l := r.lane(r.loader(owner()), event.Touches, h)
			if err := l.plan(ctx, r.cut(ctx, l, 15)); err != nil {
				t.Fatal(err)
			}
			release()
			c.accident(r)
			r.run(r.loader(owner()))
			c.remedy(r)
			r.eventually("all is loaded", func() bool { return r.number("SELECT count() FROM touch") >= 70 })
			r.eventually("nothing is open", func() bool { return r.books(`SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`) == 0 })
			r.once(event.Touches, 70)
		})
	}
}

// A batch is parked when its topic is recreated. It must not stand in the way of the offsets to come.
func TestAParkedBatchOfATopicThatIsNoMoreIsNotInTheWay(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.again(1, 1, 40)
	stop := r.run(r.loader(owner()))
	r.loaded(event.Touches, 40)
	stop()
	if _, err := r.db.Exec(t.Context(), `UPDATE clickhouse_batch SET state = 'parked', problem = 'so it is' WHERE topic = 'touches'`); err != nil {
		t.Fatal(err)
	}
	r.recreate()
	r.again(1, 41, 100)
	r.run(r.loader(owner()))
	r.halted()
	r.resume(position.FromFirst, 0)
	r.eventually("all is loaded", func() bool { return r.number("SELECT count() FROM touch") >= 100 })
	r.eventually("nothing is open", func() bool { return r.books(`SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`) == 0 })
	r.once(event.Touches, 100)
	if r.books(`SELECT count(*) FROM dead_letter WHERE state = 'open' AND error LIKE '%so it is%'`) == 0 {
		t.Error("nothing tells of the parked batch any more")
	}
}

// again sends the clicks of a spool from one sequence to another. Those of different spools are different.
func (r *river) again(spool byte, from, to int) {
	r.t.Helper()
	for seq := from; seq <= to; seq++ {
		r.produce(event.Touches, 0, record(r.t, spool, uint64(seq), click(int(spool)*1000+seq)))
	}
}

func (r *river) resume(remedy position.Remedy, first int64) {
	r.t.Helper()
	if err := position.Resume(r.t.Context(), r.db, Consumer, event.Touches, 0, remedy, first); err != nil {
		r.t.Fatal(err)
	}
}

// halted waits until the partition is halted, and gives the reason.
func (r *river) halted() (reason string) {
	r.t.Helper()
	r.eventually("the partition halts", func() bool {
		return r.db.QueryRow(r.t.Context(), `SELECT halted FROM position WHERE topic = 'touches' AND halted <> ''`).Scan(&reason) == nil
	})
	return reason
}

// ask asks the broker for what the program itself never does.
func (r *river) ask(request kmsg.Request) kmsg.Response {
	r.t.Helper()
	response, err := r.cluster.Foreign(r.t).Request(r.t.Context(), request)
	if err != nil {
		r.t.Fatal(err)
	}
	return response
}

// recreate deletes the topic of touches and creates it again: its offsets begin at 0.
func (r *river) recreate() {
	r.t.Helper()
	name := r.cluster.Prefix + event.Touches
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames = []string{name}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	request.Topics = append(request.Topics, topic)
	response, _ := r.ask(request).(*kmsg.DeleteTopicsResponse)
	if err := kerr.ErrorForCode(response.Topics[0].ErrorCode); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("its offsets begin again", func() bool {
		if err := r.kafka.CreateTopics(r.t.Context(), r.lanes, time.Hour); err != nil {
			return false
		}
		_, end, err := r.kafka.Offsets(r.t.Context(), event.Touches, 0)
		return err == nil && end == 0
	})
}

// expire lets go of the records before an offset, as retention does.
func (r *river) expire(before int64) {
	r.t.Helper()
	request := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = r.cluster.Prefix + event.Touches
	partition := kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Offset = before
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	response, _ := r.ask(request).(*kmsg.DeleteRecordsResponse)
	if err := kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode); err != nil {
		r.t.Fatal(err)
	}
}
