package pgcopy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// row is one row of every type there is.
type row struct {
	Small int16
	Int   int32
	Big   int64
	Text  string
	Bytes []byte
	At    time.Time
	Maybe *int64
	Yes   bool
}

func TestRowsComeBackAsTheyWereSent(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	if _, err := db.Exec(t.Context(), `CREATE TABLE sent (small smallint, int int, big bigint, text text, bytes bytea, at timestamptz, maybe bigint, yes boolean)`); err != nil {
		t.Fatal(err)
	}
	want := []row{
		{-1, 1 << 30, -1 << 62, "naïve ✓", []byte{0, 1, 255}, time.Date(1970, 1, 1, 0, 0, 0, 1000, time.UTC), nil, true},
		{32767, -5, 9, "", []byte{}, time.Date(2199, 12, 31, 23, 59, 59, 999_999_000, time.UTC), nil, false},
	}
	var rows Rows
	for range 2 { // the second time into the memory of the first
		rows.Reset(8)
		for _, r := range want {
			rows.Row()
			rows.Int2(r.Small)
			rows.Int4(r.Int)
			rows.Int8(r.Big)
			rows.Text(r.Text)
			rows.Bytes(r.Bytes)
			rows.Time(r.At)
			rows.Null()
			rows.Bool(r.Yes)
		}
		err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
			return rows.Send(t.Context(), tx, `COPY sent FROM STDIN (FORMAT binary)`)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	found, err := db.Query(t.Context(), `SELECT small, int, big, text, bytes, at, maybe, yes FROM sent`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(found, pgx.RowToStructByPos[row])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(want, want...), got); diff != "" {
		t.Errorf("-sent +found:\n%s", diff)
	}
}

func TestARowThatDoesNotFitIsRefusedWhole(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	if _, err := db.Exec(t.Context(), `CREATE TABLE sent (a bigint, b bigint)`); err != nil {
		t.Fatal(err)
	}
	var rows Rows
	rows.Reset(2)
	rows.Row()
	rows.Int8(1)
	rows.Int8(2)
	rows.Row()
	rows.Int8(1)
	rows.Int4(2)
	err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error { return rows.Send(t.Context(), tx, `COPY sent FROM STDIN (FORMAT binary)`) })
	if err == nil {
		t.Error("a row of another width was taken")
	}
	var n int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM sent`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows are there (%v), want none", n, err)
	}
}

// Where the connection breaks, pgx returns while its sender may still be reading: the next rows must not be written there.
func TestTheMemoryOfABrokenCopyIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	if _, err := db.Exec(t.Context(), `CREATE TABLE sent (bytes bytea)`); err != nil {
		t.Fatal(err)
	}
	var rows Rows
	fill := func() {
		rows.Reset(1)
		rows.Row()
		rows.Bytes(make([]byte, 8<<20))
	}
	fill()
	sent := &rows.buf[0]
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := db.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, tx.Conn().PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if err := rows.Send(t.Context(), tx, `COPY sent FROM STDIN (FORMAT binary)`); err == nil {
		t.Fatal("a broken connection has taken rows")
	}
	fill()
	if &rows.buf[0] == sent {
		t.Error("rows are written where the sender may still be reading")
	}
}
