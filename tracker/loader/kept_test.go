package loader

import (
	"errors"
	"testing"

	"tributary/internal/event"
	"tributary/internal/stream"
)

// TestAClickThatVanishedIsFoundInItsSpool compares what a spool keeps with ClickHouse.
func TestAClickThatVanishedIsFoundInItsSpool(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	var kept []Kept
	keep := func(record stream.Record) {
		k, ok := KeptOf(record)
		if !ok {
			t.Fatalf("%+v cannot be read", record)
		}
		kept = append(kept, k)
	}
	for n := range uint64(5) {
		one := record(t, 1, n+1, click(int(n+1)))
		keep(one)
		r.produce(event.Touches, 0, one)
	}
	keep(record(t, 1, 9, click(9))) // not sent yet
	if _, ok := KeptOf(stream.Record{Value: []byte("rubbish")}); ok {
		t.Error("rubbish is a click")
	}
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 5)
	for _, row := range []struct {
		statement string
		want      int
	}{
		{"SELECT 1", 0},
		{"ALTER TABLE touch DELETE WHERE _seq = 3 SETTINGS mutations_sync = 2", 1},
		{"ALTER TABLE touch UPDATE event_id = generateUUIDv4() WHERE _seq = 5 SETTINGS mutations_sync = 2", 2},
	} {
		r.exec(row.statement)
		found, err := CompareKept(t.Context(), r.db, r.ch, [16]byte{1}, kept)
		if err != nil || len(found) != row.want {
			t.Errorf("%s: %v, %v, want %d", row.statement, found, err, row.want)
		}
	}
}

// TestAClickOfAnOpenBatchHasNotVanished stops a loader between the plan of a batch and its rows, behind one that is done.
func TestAClickOfAnOpenBatchHasNotVanished(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	var kept []Kept
	for n := range uint64(5) {
		one := record(t, 1, n+1, click(int(n+1)))
		k, _ := KeptOf(one)
		kept = append(kept, k)
		r.produce(event.Touches, 0, one)
	}
	ctx, h, release := r.hold(event.Touches, owner())
	defer release()
	l := r.lane(r.loader(owner()), event.Touches, h)
	done := r.cut(ctx, l, 3)
	if err := errors.Join(l.plan(ctx, done), l.load(ctx, done, true)); err != nil {
		t.Fatal(err)
	}
	vanished := func(what string, want int) {
		t.Helper()
		found, err := CompareKept(t.Context(), r.db, r.ch, [16]byte{1}, kept)
		if err != nil || len(found) != want {
			t.Errorf("%s: %v, %v, want %d", what, found, err, want)
		}
	}
	b := r.cut(ctx, l, 2)
	vanished("not planned", 0)
	if err := l.plan(ctx, b); err != nil {
		t.Fatal(err)
	}
	vanished("planned", 0)
	r.exec("ALTER TABLE touch DELETE WHERE _seq = 2 SETTINGS mutations_sync = 2")
	vanished("of the batch before", 1)
	if err := l.load(ctx, b, true); err != nil {
		t.Fatal(err)
	}
	r.exec("ALTER TABLE touch DELETE WHERE _seq = 5 SETTINGS mutations_sync = 2")
	vanished("done", 2)
}
