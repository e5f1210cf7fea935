package loader

import (
	"errors"
	"strings"
	"testing"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/stream"
)

// letter sends a touch that cannot be read between two that can, has them loaded, and gives the letter's number.
func (r *river) letter() int64 {
	r.t.Helper()
	r.produce(event.Touches, 0, record(r.t, 1, 1, click(1)),
		stream.Record{Spool: [16]byte{1}, Seq: 2, Key: []byte("k"), Value: []byte("not an event")}, record(r.t, 1, 3, click(3)))
	stop := r.run(r.loader(owner()))
	r.loaded(event.Touches, 3)
	stop()
	letters, err := Letters(r.t.Context(), r.db, false, 10)
	if err != nil || len(letters) != 1 || letters[0].Topic != event.Touches || letters[0].Offset != 1 || letters[0].State != "open" {
		r.t.Fatalf("Letters() = %+v, %v", letters, err)
	}
	return letters[0].No
}

func (r *river) repaired(no int64) {
	r.t.Helper()
	if err := EditLetter(r.t.Context(), r.db, no, record(r.t, 1, 2, click(2)).Value); err != nil {
		r.t.Fatal(err)
	}
	if err := RetryLetter(r.t.Context(), r.db, no); err != nil {
		r.t.Fatal(err)
	}
}

func TestARetriedDeadLetterIsARowOnce(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	no := r.letter()
	r.repaired(no)
	r.run(r.loader(owner()))
	r.eventually("it is returned", func() bool { return r.books(`SELECT count(*) FROM dead_letter WHERE state = 'returned'`) == 1 })
	r.once(event.Touches, 3)
	// Neither the batch that it once belonged to nor its own second return changes anything.
	if err := Retry(t.Context(), r.db, event.Touches, 0, 0); err != nil {
		t.Fatal(err)
	}
	var conflict *fault.Error
	if err := RetryLetter(t.Context(), r.db, no); !errors.As(err, &conflict) || conflict.Kind != fault.Conflict {
		t.Errorf("putting it back again gave %v", err)
	}
	r.eventually("the batch is settled again", func() bool { return r.books(`SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`) == 0 })
	r.once(event.Touches, 3)
}

func TestAKillDuringARetryLeavesOneRow(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(r *river, l *lane, d returning){
		"nothing is sent": func(*river, *lane, returning) {},
		"the row is there": func(r *river, l *lane, d returning) {
			if err := l.putIn(r.t.Context(), d); err != nil {
				r.t.Fatal(err)
			}
		},
		"the row is there, and its token forgotten": func(r *river, l *lane, d returning) {
			if err := l.putIn(r.t.Context(), d); err != nil {
				r.t.Fatal(err)
			}
			if _, err := r.db.Exec(r.t.Context(), `UPDATE dead_letter SET settled_at = now() - interval '3 days'`); err != nil {
				r.t.Fatal(err)
			}
		},
		"the token is known without the row": func(r *river, l *lane, d returning) {
			if err := l.putIn(r.t.Context(), d); err != nil {
				r.t.Fatal(err)
			}
			r.exec("ALTER TABLE touch DELETE WHERE _seq = 2 SETTINGS mutations_sync = 2")
			r.exec("ALTER TABLE touch_15m DELETE WHERE partner_id = 2 SETTINGS mutations_sync = 2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRiver(t, 1)
			no := r.letter()
			r.repaired(no)
			ctx, h, release := r.hold(event.Touches, owner())
			l := r.lane(r.loader(owner()), event.Touches, h)
			d := returning{no: no, life: 1, record: record(t, 1, 2, click(2))}
			d.record.Offset = 1 | letterOffsets
			prepare(r, l, d)
			if ctx.Err() != nil {
				t.Fatal("the lease is lost")
			}
			release()
			// The process was killed before it could say so.
			if _, err := r.db.Exec(t.Context(), `UPDATE dead_letter SET state = 'returning' WHERE no = $1`, no); err != nil {
				t.Fatal(err)
			}
			r.run(r.loader(owner()))
			r.eventually("it is returned", func() bool { return r.books(`SELECT count(*) FROM dead_letter WHERE state = 'returned'`) == 1 })
			r.once(event.Touches, 3)
		})
	}
}

func TestADeadLetterThatCannotBeARowStaysOpen(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	no := r.letter()
	var invalid *fault.Error
	if err := EditLetter(t.Context(), r.db, no, record(t, 1, 2, sale(2)).Value); !errors.As(err, &invalid) || invalid.Kind != fault.Invalid {
		t.Errorf("a sale among touches gave %v", err)
	}
	if err := RetryLetter(t.Context(), r.db, no); err != nil { // as it is
		t.Fatal(err)
	}
	stop := r.run(r.loader(owner()))
	r.eventually("it is open again", func() bool {
		return r.books(`SELECT count(*) FROM dead_letter WHERE state = 'open' AND settled_at IS NULL`) == 1
	})
	stop()
	r.once(event.Touches, 2)
	if err := DiscardLetter(t.Context(), r.db, no, "a test of somebody's"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"RetryLetter of a discarded letter": RetryLetter(t.Context(), r.db, no), "RetryLetter of none": RetryLetter(t.Context(), r.db, no+1),
		"EditLetter of none": EditLetter(t.Context(), r.db, no+1, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), "dead_letter") && !strings.Contains(err.Error(), "dead letter") && !strings.Contains(err.Error(), "Dead letter") {
			t.Errorf("%s gave %v", what, err)
		}
	}
}
