package audit

// P5: each night, and after a restore, what reports count is compared with the books, and the pages say with what outcome.

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/postgres"
)

//go:embed query/seal_reports.sql
var sealReports string

// SealReports seals what the books of each merchant come to in the transaction's snapshot, under a name for the occasion. A merchant
// that has one of that name keeps it.
func SealReports(ctx context.Context, tx pgx.Tx, occasion string) error {
	if _, err := tx.Exec(ctx, sealReports, occasion, event.Orders); err != nil {
		return fmt.Errorf("sealing the books' sums: %w", err)
	}
	return nil
}

const (
	// sealHour is when a night's check is sealed, in UTC.
	sealHour = 3
	// sealEvery is how often a Sealer looks at the clock, and compareEvery how often a Comparer looks for what is sealed.
	sealEvery    = time.Minute
	compareEvery = 10 * time.Second
	// sealLock is the advisory lock of whoever seals.
	sealLock = 8402911475
	// keptDifferences is how many sums that differ a check names.
	keptDifferences = 20
	// comparedAtOnce is how many merchants are compared in one look.
	comparedAtOnce = 50
)

// A Sealer seals the books' sums each night, beside the engine.
type Sealer struct {
	db  *pgxpool.Pool // as the engine
	log *slog.Logger
}

// NewSealer makes a sealer.
func NewSealer(db *pgxpool.Pool, log *slog.Logger) *Sealer { return &Sealer{db, log} }

// Run looks at the clock until ctx ends.
func (s *Sealer) Run(ctx context.Context) error {
	return each(ctx, sealEvery, func(ctx context.Context) {
		if err := s.SealOnce(ctx, time.Now().UTC()); err != nil && ctx.Err() == nil {
			s.log.Warn("the books' sums cannot be sealed; trying again", "error", err)
		}
	})
}

// each works at once and then every so often, until ctx ends.
func each(ctx context.Context, every time.Duration, work func(ctx context.Context)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		work(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// SealOnce seals the sums of the day, unless that is done or the hour has not come. The first of all does not wait for the hour.
func (s *Sealer) SealOnce(ctx context.Context, now time.Time) error {
	day := now.Format(time.DateOnly)
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error { //nolint:wrapcheck // it says what it was doing
		var due, mine bool
		err := tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM report_check WHERE occasion = $1)
			AND ($2 OR NOT EXISTS (SELECT FROM report_check) AND EXISTS (SELECT FROM commission)), pg_try_advisory_xact_lock($3)`,
			day, now.Hour() >= sealHour, int64(sealLock)).Scan(&due, &mine)
		if err != nil {
			return fmt.Errorf("looking for the day's check: %w", err)
		}
		if !due || !mine {
			return nil
		}
		return SealReports(ctx, tx, day)
	})
}

// A Comparer compares what is sealed with ClickHouse once that has all ledger events up to it, beside the loader.
type Comparer struct {
	db        *pgxpool.Pool // as the loader
	reports   clickhouse.Conn
	log       *slog.Logger
	different prometheus.Gauge
	waiting   prometheus.Gauge
}

// NewComparer makes a comparer. registry may be nil.
func NewComparer(db *pgxpool.Pool, reports clickhouse.Conn, log *slog.Logger, registry prometheus.Registerer) *Comparer {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tributary", Subsystem: "books", Name: name, Help: help})
	}
	c := &Comparer{
		db: db, reports: reports, log: log,
		different: gauge("reports_different", "Sums of reports that differed from the books when each merchant was last compared."),
		waiting:   gauge("reports_waiting_seconds", "How long the oldest sums of the books have waited to be compared with the reports, 0 where none waits."),
	}
	if registry != nil {
		registry.MustRegister(c.different, c.waiting)
	}
	return c
}

// Run compares until ctx ends.
func (c *Comparer) Run(ctx context.Context) error {
	return each(ctx, compareEvery, func(ctx context.Context) {
		if err := c.CompareOnce(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("reports cannot be compared with the books; trying again", "error", err)
		}
	})
}

// A reportCheck is a row of the table that is not compared yet.
type reportCheck struct {
	no, merchant int64
	through      []int64
	books        []byte
}

// CompareOnce compares what is sealed, as far as ClickHouse has what that stands for.
func (c *Comparer) CompareOnce(ctx context.Context) error {
	rows, err := c.db.Query(ctx, `SELECT no, merchant_id, through, books FROM report_check WHERE checked_at IS NULL ORDER BY no LIMIT $1`, comparedAtOnce)
	if err != nil {
		return fmt.Errorf("listing checks: %w", err)
	}
	open, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r reportCheck, err error) {
		return r, row.Scan(&r.no, &r.merchant, &r.through, &r.books)
	})
	if err != nil {
		return fmt.Errorf("listing checks: %w", err)
	}
	var spool string
	if len(open) > 0 {
		if err := c.db.QueryRow(ctx, `SELECT value::uuid::text FROM setting WHERE name = 'ledger_spool'`).Scan(&spool); err != nil {
			return fmt.Errorf("reading the name of the ledger's spool: %w", err)
		}
	}
	for i := range open {
		lanes := make([]sentLane, len(open[i].through))
		for lane, last := range open[i].through {
			lanes[lane] = sentLane{lane: lane, last: uint64(last), spool: spool}
		}
		if i == 0 || !slices.Equal(open[i].through, open[i-1].through) {
			v := &Verification{Check: Check{Reports: c.reports, Limit: 1}}
			if complete, err := v.arrived(ctx, lanes); err != nil || !complete {
				return c.tell(ctx, err)
			}
		}
		if err := c.compare(ctx, &open[i], lanes); err != nil {
			return err
		}
	}
	return c.tell(ctx, nil)
}

// tell sets the metrics.
func (c *Comparer) tell(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	var different int64
	var waiting float64
	err = c.db.QueryRow(ctx, `SELECT (SELECT coalesce(sum(different), 0) FROM (SELECT DISTINCT ON (merchant_id) different FROM report_check
			WHERE checked_at IS NOT NULL ORDER BY merchant_id, no DESC) l),
		(SELECT coalesce(extract(epoch FROM now() - min(sealed_at)), 0)::float8 FROM report_check WHERE checked_at IS NULL)`).Scan(&different, &waiting)
	if err != nil {
		return fmt.Errorf("counting checks: %w", err)
	}
	c.different.Set(float64(different))
	c.waiting.Set(waiting)
	return nil
}

// A sealedKey is what sums are of.
type sealedKey struct {
	Program  int64  `json:"program"`
	Partner  int64  `json:"partner"`
	Role     string `json:"role"`
	Unit     string `json:"unit"`
	Currency string `json:"currency"`
	Leads    bool   `json:"leads"` // first credits, under which orders are counted
}

// sealedSums are orders, revenue, refunded, gross, net, fee, pending and payable.
type sealedSums [8]int64

// A sealedRow is sums in the books or in the reports.
type sealedRow struct {
	sealedKey

	Sums sealedSums `json:"sums"`
}

// A ReportDifference is sums that the reports and the books do not agree on.
type ReportDifference struct {
	sealedKey

	Books   sealedSums `json:"books"`
	Reports sealedSums `json:"reports"`
	Table   string     `json:"table"`
}

// compare compares one merchant's sums and keeps the outcome.
func (c *Comparer) compare(ctx context.Context, r *reportCheck, lanes []sentLane) error {
	var sealed []sealedRow
	if err := json.Unmarshal(r.books, &sealed); err != nil {
		return fmt.Errorf("reading check %d: %w", r.no, err)
	}
	books := map[sealedKey]sealedSums{}
	for _, row := range sealed {
		books[row.sealedKey] = row.Sums
	}
	conditions := []string{"false"}
	for _, l := range lanes {
		conditions = append(conditions, "("+l.selects()+")")
	}
	reports, err := c.sums(ctx, `SELECT program_id, partner_id, toString(role), toString(unit), toString(currency), NOT further, toInt64(sum(orders)), sum(revenue), sum(refunded),
		sum(gross), sum(net), sum(fee), sum(pending), sum(payable) FROM ledger WHERE merchant_id = ? AND (`+strings.Join(conditions, " OR ")+`) GROUP BY ALL`, r.merchant)
	if err != nil {
		return err
	}
	differences := differencesOf("ledger", books, reports)
	byCustomer, err := c.byCustomer(ctx, r.merchant)
	if err != nil {
		return err
	}
	if len(byCustomer) > 0 {
		// A batch whose loader or server died in the midst of it is in the ledger alone until another loader completes it.
		var dead bool
		err := c.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM clickhouse_batch WHERE topic = $1 AND state = 'planned' AND planned_at < now() - $2 * interval '1 second')`,
			event.Decisions, (looks - 1)).Scan(&dead)
		if err != nil {
			return fmt.Errorf("looking for batches under way: %w", err)
		}
		if dead {
			return nil // the next look comes soon
		}
	}
	differences = append(differences, byCustomer...)
	kept, err := json.Marshal(append([]ReportDifference{}, differences[:min(len(differences), keptDifferences)]...))
	if err != nil {
		return fmt.Errorf("writing differences: %w", err)
	}
	if len(differences) > 0 {
		c.log.Error("reports differ from the books: run tributary verify", "merchant", r.merchant, "sums", len(differences), "first", fmt.Sprintf("%+v", differences[0]))
	}
	_, err = c.db.Exec(ctx, `UPDATE report_check SET books = NULL, checked_at = now(), rows = $2, different = $3, differences = $4 WHERE no = $1 AND checked_at IS NULL`,
		r.no, len(books), len(differences), kept)
	if err != nil {
		return fmt.Errorf("keeping the outcome of check %d: %w", r.no, err)
	}
	return nil
}

// sums reads sums by what they are of, those that are not all 0.
func (c *Comparer) sums(ctx context.Context, sql string, merchant int64) (map[sealedKey]sealedSums, error) {
	rows, err := c.reports.Query(ctx, sql, merchant)
	if err != nil {
		return nil, fmt.Errorf("adding up the reports: %w", err)
	}
	all := map[sealedKey]sealedSums{}
	var k sealedKey
	var s sealedSums
	err = clickhouse.ForEachRow(rows, []any{&k.Program, &k.Partner, &k.Role, &k.Unit, &k.Currency, &k.Leads, &s[0], &s[1], &s[2], &s[3], &s[4], &s[5], &s[6], &s[7]}, func() {
		all[k] = s
	})
	if err != nil {
		return nil, fmt.Errorf("adding up the reports: %w", err)
	}
	return all, nil
}

// differencesOf lists what is not the same in both. A side that has nothing of a key has 0 of it.
func differencesOf(table string, books, reports map[sealedKey]sealedSums) (list []ReportDifference) {
	for k, want := range books {
		if have := reports[k]; have != want {
			list = append(list, ReportDifference{k, want, have, table})
		}
	}
	for k, have := range reports {
		if _, known := books[k]; !known && have != (sealedSums{}) {
			list = append(list, ReportDifference{k, sealedSums{}, have, table})
		}
	}
	return list
}

// looks is how often a difference between two tables that loaders are writing must be the same to be believed.
const looks = 3

// byCustomer compares the orders by customer with the ledger that they are made from. A batch that is being written is in one of them a
// moment before the other, so a difference must stay.
func (c *Comparer) byCustomer(ctx context.Context, merchant int64) (stays []ReportDifference, err error) {
	const sql = `SELECT program_id, partner_id, toString(role), toString(unit), toString(currency), NOT further, toInt64(sum(orders)), toInt64(sum(revenue)), toInt64(sum(refunded)),
		toInt64(0), toInt64(sum(net)), toInt64(sum(fee)), toInt64(0), toInt64(0) FROM %s WHERE merchant_id = ? GROUP BY ALL`
	for look := range looks {
		raw, err := c.sums(ctx, fmt.Sprintf(sql, "ledger"), merchant)
		if err != nil {
			return nil, err
		}
		rolled, err := c.sums(ctx, fmt.Sprintf(sql, "customer_order"), merchant)
		if err != nil {
			return nil, err
		}
		found := differencesOf("customer_order", raw, rolled)
		if look > 0 {
			found = both(found, stays)
		}
		if stays = found; len(stays) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return stays, nil
}

// both are the differences that are in both lists, by how much the reports lack.
func both(a, b []ReportDifference) (same []ReportDifference) {
	lacking := func(d *ReportDifference) (l sealedSums) {
		for i := range l {
			l[i] = d.Books[i] - d.Reports[i]
		}
		return l
	}
	for i := range a {
		for j := range b {
			if a[i].sealedKey == b[j].sealedKey && lacking(&a[i]) == lacking(&b[j]) {
				same = append(same, a[i])
			}
		}
	}
	return same
}
