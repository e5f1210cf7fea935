package position_test

import (
	"context"
	"testing"
	"time"

	"tributary/internal/fault"
	"tributary/internal/position"
	"tributary/internal/postgres"
)

func TestNobodyTakesAPartitionWhileOneWorksAlone(t *testing.T) {
	t.Parallel()
	db, url := open(t, postgres.Loader)
	operator := openURL(t, url, postgres.Operator)
	held := run(t, db, "a", 2, nil)
	until(t, 5*time.Second, "both are held", func() bool { return len(held.partitions()) == 2 })
	worked := 0
	work := func(context.Context) error { worked++; return nil }
	if err := position.Alone(t.Context(), operator, "loader", work); fault.Of(err).Code != "not_idle" || worked > 0 {
		t.Fatalf("beside a loader: %v, worked %d times", err, worked)
	}
	held.stop()
	var late *watch
	err := position.Alone(t.Context(), operator, "loader", func(context.Context) error {
		late = run(t, db, "b", 2, nil)
		until(t, 5*time.Second, "the loader that starts has looked", func() bool {
			var seen bool
			err := operator.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM consumer_owner WHERE owner = 'b')`).Scan(&seen)
			return err == nil && seen
		})
		time.Sleep(50 * time.Millisecond) // it claims right after it has looked
		if p := late.partitions(); len(p) > 0 {
			t.Errorf("it works on %v", p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, 5*time.Second, "it takes both afterwards", func() bool { return len(late.partitions()) == 2 })
}
