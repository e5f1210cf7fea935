package fire

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// The whole network runs undisturbed for a moment, and is found sound. Then one thing at a time is falsified in its
// stores, and each is found out.
func TestWhatIsFalsifiedIsFoundOut(t *testing.T) {
	t.Parallel()
	ctx, fail := context.WithCancelCause(t.Context())
	t.Cleanup(func() { fail(nil) })
	r := &Run{Config: Config{Seed: 5, Plan: "none", For: 10 * time.Second, Rate: 150, Data: t.TempDir(), Out: io.Discard}, Counts: &Counts{}, began: time.Now()}
	var err error
	if r.Net, err = StartNetwork(ctx, r.Config, r.Counts, fail); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Net.Close)
	if r.World, err = NewWorld(ctx, r.Net.Addresses.PostgresRoles[postgres.Operator.Name()], r.Net.Key); err != nil {
		t.Fatal(err)
	}
	if r.away, err = newAway(ctx, r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.away.close)
	if err := r.Net.Start(ctx); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.Config.Data, "journal")
	journal, err := NewJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Driver = NewDriver(r.World, journal, r.Counts, r.Config.Seed, r.Net.TrackerURL)
	r.crowd = newCrowd(r.Config.Data, r.Net.TrackerURL, r.World.Places, r.Net.spawn)
	if err := r.openPages(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Driver.people.close)
	if err := r.fire(ctx, none); err != nil {
		t.Fatal(err)
	}
	if err := r.rest(ctx); err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	var sound Summary
	if err := r.judge(ctx, path, &sound); err != nil || len(sound.Findings) > 0 || sound.Stored.Credited == 0 || sound.Stored.Reviewed == 0 || sound.Stored.Counted == 0 {
		t.Fatalf("%v, %+v", err, sound)
	}
	r.Net.StopProcesses()
	r.falsify(ctx, t, path)
}

func (r *Run) falsify(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	for _, c := range []struct {
		name       string
		clickhouse string
		postgres   []string
		want       string
	}{
		{"a click is deleted", `ALTER TABLE touch DELETE WHERE click_id = (SELECT min(click_id) FROM touch) SETTINGS mutations_sync = 2`, nil, ClickMissing},
		{"a click is there twice", `INSERT INTO touch SELECT * FROM touch WHERE click_id = (SELECT max(click_id) FROM touch)`, nil, ClickDoubled},
		{"a click forgets what came before it", `ALTER TABLE touch UPDATE path = [] WHERE click_id = (SELECT min(click_id) FROM touch WHERE notEmpty(path)) SETTINGS mutations_sync = 2`, nil, PathWrong},
		{"a sum of the pages is there twice", `INSERT INTO ledger_15m SELECT * FROM ledger_15m WHERE net > 0 LIMIT 1`, nil, SumWrong},
		{"a report is deleted", `ALTER TABLE order_event DELETE WHERE event_id = (SELECT min(event_id) FROM order_event) SETTINGS mutations_sync = 2`, nil, ReportMissing},
		{"a ledger event is there twice", `INSERT INTO ledger SELECT * FROM ledger WHERE event_id = (SELECT max(event_id) FROM ledger)`, nil, DecisionWrong},
		{"an act is taken by nobody", "", []string{
			`ALTER TABLE inbox_taken DISABLE TRIGGER USER`, `DELETE FROM inbox_taken WHERE no = (SELECT max(no) FROM inbox WHERE kind = 'review')`,
		}, ActMissing},
		{"a posting is larger", "", []string{
			`ALTER TABLE posting DISABLE TRIGGER USER`, `UPDATE posting SET amount = amount + 1 WHERE seq = (SELECT min(seq) FROM posting)`,
		}, BalanceWrong},
		{"a commission is larger", "", []string{
			`UPDATE commission SET gross = gross + 1 WHERE (order_no, partner_id) = (SELECT order_no, partner_id FROM commission LIMIT 1)`,
		}, OrderWrong},
		{"a fact is deleted", "", []string{
			`ALTER TABLE order_event DISABLE TRIGGER USER`, `DELETE FROM order_event WHERE event_id = (SELECT event_id FROM order_event ORDER BY event_id LIMIT 1)`,
		}, FactMissing},
	} {
		before := r.checks(ctx, t, path)
		if slices.Contains(before, c.want) {
			t.Fatalf("%s: %s is found before it is done", c.name, c.want)
		}
		r.change(ctx, t, c.clickhouse, c.postgres)
		after := r.checks(ctx, t, path)
		if !slices.Contains(after, c.want) {
			t.Errorf("%s: found %v, want %s among them", c.name, after, c.want)
		}
		if !slices.Contains(after, "verify") {
			t.Errorf("%s: verify finds nothing", c.name)
		}
	}
}

// checks judges again and names the checks that found something.
func (r *Run) checks(ctx context.Context, t *testing.T, path string) []string {
	t.Helper()
	var s Summary
	if err := r.judge(ctx, path, &s); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range s.Findings {
		names = append(names, f.Check)
	}
	return names
}

// change runs statements in the two stores.
func (r *Run) change(ctx context.Context, t *testing.T, inClickHouse string, inPostgres []string) {
	t.Helper()
	conn, err := clickhouse.Open(r.Net.Addresses.ClickHouseURL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if inClickHouse != "" {
		if err := conn.Exec(ctx, inClickHouse); err != nil {
			t.Fatal(inClickHouse, err)
		}
	}
	db, err := pgx.Connect(ctx, r.Net.Addresses.PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	for _, statement := range inPostgres {
		if _, err := db.Exec(ctx, statement); err != nil {
			t.Fatal(statement, err)
		}
	}
}
