package outbox

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// FuzzUnpack feeds arbitrary bytes to what reads the outbox.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{1, 'k', 2, 'v', 'v'}, int64(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, int64(3))
	f.Fuzz(func(t *testing.T, data []byte, n int64) {
		s := &Sender{}
		records, err := s.unpack(nil, packed{first: 1, last: n % 100, events: data})
		if err == nil && n%100 > 0 && len(records) != int(n%100) {
			t.Errorf("%d records of %d", len(records), n%100)
		}
	})
}

func TestWhatWasPackedIsUnpacked(t *testing.T) {
	t.Parallel()
	batch, last := &pgx.Batch{}, int64(7)
	k := Orders().Pack(batch, 3, &last)
	e := &event.Event{Id: make([]byte, 16), Body: &event.Event_Sale{Sale: &event.Sale{OrderId: "A"}}}
	for _, key := range []string{"a", "", "c"} {
		if err := k.Add([]byte(key), e); err != nil {
			t.Fatal(err)
		}
	}
	if n := k.End(); n != 3 || last != 10 || batch.Len() != 1 {
		t.Fatalf("%d events up to %d in %d rows", n, last, batch.Len())
	}
	s := &Sender{Lane: 3, Spool: [16]byte{9}}
	records, err := s.unpack(nil, packed{first: 8, last: 10, events: k.batch.QueuedQueries[0].Arguments[3].([]byte)})
	if err != nil || len(records) != 3 || string(records[2].Key) != "c" || records[2].Seq != 10 || records[2].Spool != s.Spool {
		t.Errorf("unpacked %+v, %v", records, err)
	}
	if _, err := s.unpack(nil, packed{first: 1, last: 2, events: []byte{3, 1}}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged row gives %v", err)
	}
}

// A sender that read the mark before it was set back does not move it on.
func TestAMarkThatWasMovedIsLeft(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := &Sender{Table: Orders(), DB: db, Lane: 1}
	for _, m := range []struct{ after, last, want int64 }{{0, 20, 20}, {18, 25, 20}, {20, 30, 30}} {
		if err := s.mark(t.Context(), m.after, m.last); err != nil {
			t.Fatal(err)
		}
		var through int64
		if err := db.QueryRow(t.Context(), `SELECT through_seq FROM order_sent WHERE lane = 1`).Scan(&through); err != nil || through != m.want {
			t.Errorf("after %d up to %d the mark is %d, %v; want %d", m.after, m.last, through, err, m.want)
		}
	}
}

// TestTheNextRowsAreLookedUp explains the statement that runs over and over, on tables that hold rows.
func TestTheNextRowsAreLookedUp(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	for _, table := range []Table{Ledger(), Orders()} {
		fill := `INSERT INTO ` + table.rows + ` (lane, first_seq, last_seq, events) SELECT seq % 3, seq, seq + 0, 'x' FROM generate_series(1, 2000) seq`
		if _, err := db.Exec(t.Context(), fill); err != nil {
			t.Fatal(err)
		}
		err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
			results, err := tx.Conn().PgConn().Exec(t.Context(), `SET LOCAL enable_seqscan = off; PREPARE next(int) AS `+table.next()+`; EXPLAIN EXECUTE next(1); DEALLOCATE next`).ReadAll()
			if err != nil {
				return err
			}
			var plan strings.Builder
			for _, r := range results {
				for _, row := range r.Rows {
					plan.WriteString(string(row[0]) + "\n")
				}
			}
			if text := plan.String(); !strings.Contains(text, table.rows+"_pkey") || strings.Contains(text, "Seq Scan on "+table.rows) {
				t.Errorf("the rows are not looked up:\n%s", text)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
