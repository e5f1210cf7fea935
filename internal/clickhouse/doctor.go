package clickhouse

import (
	"context"
	"time"

	"tributary/internal/doctor"
)

// Examine looks at a server, and tells whether it answers.
func Examine(ctx context.Context, r *doctor.Report, conn Conn) bool {
	const area = "ClickHouse"
	var now time.Time
	var version string
	asked := time.Now()
	if err := conn.QueryRow(ctx, `SELECT version(), now64(6)`).Scan(&version, &now); err != nil {
		r.Add(area, doctor.Wrong, doctor.Problem(err), Fix(err))
		return false
	}
	r.Add(area, doctor.OK, "version "+version, "")
	r.Clock(area, now, asked)
	return true
}

// Fix says what to do about a query that was refused, by the server's number of the error.
func Fix(err error) string {
	const setting = "TRIBUTARY_CLICKHOUSE_URL"
	switch code, _ := Code(err); code {
	case 516, 192, 193, 194:
		return "correct user and password in " + setting
	case 81:
		return "create the database, or correct its name in " + setting
	}
	return "start the server, or correct host and port in " + setting + " (the port of the native protocol, 9000)"
}
