package loader

import (
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
