// Package pgcopy writes rows into PostgreSQL in the binary COPY format, column by column into one reused buffer. The
// engine (step 5 in the life of a click) leaves half a dozen rows an order by it; pgx's own CopyFrom boxes every value
// in an interface and asks the server about the columns first, which costs as much again as the rows themselves.
//
// The columns of a row are appended in the order in which the COPY statement names them, each with the width of its
// type: the server refuses a row that does not fit.
package pgcopy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// header is the signature, no flags and no extension.
const header = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// epoch is PostgreSQL's: 2000-01-01 UTC in microseconds since 1970.
const epoch = 946_684_800_000_000

// Rows collects rows of one table. Reset begins again and keeps the memory.
type Rows struct {
	columns int
	count   int
	buf     []byte
}

// Reset begins a table whose rows have the given number of columns.
func (r *Rows) Reset(columns int) {
	r.columns, r.count = columns, 0
	r.buf = append(r.buf[:0], header...)
}

// Row begins a row; its columns follow.
func (r *Rows) Row() {
	r.count++
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(r.columns))
}

// Int2 appends a smallint.
func (r *Rows) Int2(v int16) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, 2)
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(v))
}

// Int4 appends an integer.
func (r *Rows) Int4(v int32) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, 4)
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(v))
}

// Int8 appends a bigint.
func (r *Rows) Int8(v int64) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, 8)
	r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(v))
}

// Text appends a text, or a json.
func (r *Rows) Text(s string) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(len(s)))
	r.buf = append(r.buf, s...)
}

// Bytes appends a bytea, a uuid (16 bytes), or a text or json that is at hand as bytes.
func (r *Rows) Bytes(b []byte) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(len(b)))
	r.buf = append(r.buf, b...)
}

// Time appends a timestamptz, in whole microseconds.
func (r *Rows) Time(t time.Time) { r.Int8(t.UnixMicro() - epoch) }

// Date appends a date, given in days since 1970-01-01.
func (r *Rows) Date(days int32) { r.Int4(days - int32(epoch/(24*60*60*1_000_000))) }

// Bool appends a boolean.
func (r *Rows) Bool(v bool) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, 1)
	if v {
		r.buf = append(r.buf, 1)
	} else {
		r.buf = append(r.buf, 0)
	}
}

// Null appends a null of any type.
func (r *Rows) Null() { r.buf = binary.BigEndian.AppendUint32(r.buf, 0xffffffff) }

// Send writes the rows within tx by sql, a COPY ... FROM STDIN BINARY that names the columns. Without rows it does
// nothing.
func (r *Rows) Send(ctx context.Context, tx pgx.Tx, sql string) error {
	if r.count == 0 {
		return nil
	}
	r.buf = append(r.buf, 0xff, 0xff)
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(r.buf), sql)
	if err != nil {
		r.buf = nil // where the connection broke, pgx's sender may still be reading it
		return fmt.Errorf("copying %d rows: %w", r.count, err)
	}
	if n := tag.RowsAffected(); n != int64(r.count) {
		return fmt.Errorf("copying %d rows: the server counted %d", r.count, n)
	}
	return nil
}
