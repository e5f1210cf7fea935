package fire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// stage asks one hop of the river what it has left to do; "" is nothing.
type stage func(ctx context.Context) (left string, err error)

// awaitRest waits until nothing is in flight: the last word of every lane is in ClickHouse and in the books, no consumer
// is behind, the outbox is empty, no batch is planned, and no hold is about to end.
func (n *Network) awaitRest(ctx context.Context, r *Run) error {
	kafka, err := stream.Open(stream.Cluster{
		Brokers: []string{n.Proxies[embedded.Kafka].Address()}, Prefix: "tributary.",
		Security: stream.Security{Mechanism: n.Addresses.KafkaMechanism, User: n.Addresses.KafkaUser, Password: n.Addresses.KafkaPassword},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer kafka.Close()
	q := quiet{kafka: kafka, last: r.Driver.last}
	if r.away != nil {
		q.paid = r.away.all
	}
	told := time.Now()
	for {
		left, err := q.look(ctx, n.Addresses)
		if err == nil && left == "" {
			return nil
		}
		if err != nil {
			left = err.Error()
		}
		if time.Since(told) > 10*time.Second {
			r.Sayf("waiting: %s", left)
			told = time.Now()
		}
		pause(ctx, 500*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("the network did not come to rest: %s: %w", left, context.Cause(ctx))
		}
	}
}

// quiet finds out whether anything is in flight.
type quiet struct {
	kafka *stream.Client
	last  lastWord
	paid  []int64 // programs that pay for clicks
	db    *pgx.Conn
	rows  clickhouse.Conn
}

// look asks the stages in the order of the river, so that nothing can slip from one that was asked into one that was not.
func (q *quiet) look(ctx context.Context, at embedded.Addresses) (left string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if q.db, err = pgx.Connect(ctx, at.PostgresURL); err != nil {
		return "", fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer q.db.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	if q.rows, err = clickhouse.Open(at.ClickHouseURL, 1); err != nil {
		return "", err
	}
	defer q.rows.Close()
	for _, s := range []stage{
		q.counted,
		q.none("facts to leave", `SELECT count(*) FROM order_unsent`),
		q.behind("engine", event.Orders), q.behind("loader", event.Orders), q.behind("loader", event.Touches),
		q.arrived("clicks", `SELECT uniqExact(click_id) FROM touch WHERE has(?, click_id)`, q.last.clicks),
		q.arrived("orders", `SELECT uniqExact(order_id) FROM order_event WHERE has(?, order_id)`, q.last.orders),
		q.none("holds to end", `SELECT count(*) FROM commission WHERE NOT released AND hold_until < now() + interval '1 hour'`),
		q.none("orders to learn their paths", `SELECT count(*) FROM orders WHERE outcome = 'awaiting_path'`),
		q.none("acts to be taken", `SELECT count(*) FROM inbox i WHERE NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)`),
		q.none("claims to join their orders", `SELECT count(*) FROM claim_waiting w JOIN orders o ON o.merchant_id = w.merchant_id AND o.order_id = w.order_id AND o.keys = 0`),
		q.none("customers to be looked at again", `SELECT (SELECT count(*) FROM customer_touched) + (SELECT count(*) FROM customer_change WHERE compared IS NULL)`),
		q.none("orders to be decided again", `SELECT count(*) FROM nudge`),
		q.none("months to be added up", `SELECT count(*) FROM period_delta`),
		q.none("events to leave", `SELECT (SELECT count(*) FROM ledger_unsent) + (SELECT count(*) FROM order_unsent)`),
		q.behind("loader", event.Decisions),
		q.none("batches to finish", `SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`),
	} {
		if left, err := s(ctx); err != nil || left != "" {
			return left, err
		}
	}
	return "", nil
}

// counted wants the last day that is over for certain, and so all before it, to be counted in every program that pays for clicks.
func (q *quiet) counted(ctx context.Context) (string, error) {
	var left int64
	err := q.db.QueryRow(ctx, `SELECT count(*) FROM unnest($1::bigint[]) program CROSS JOIN generate_series(0, $2::int - 1) l
		WHERE NOT EXISTS (SELECT FROM click_day d WHERE d.program_id = program AND d.lane = l AND d.day = $3 AND d.counted_at IS NOT NULL)`,
		q.paid, partitions, time.Now().UTC().Add(-awayMargin-24*time.Hour).Truncate(24*time.Hour)).Scan(&left)
	if err != nil {
		return "", fmt.Errorf("looking for days to be counted: %w", err)
	}
	if left > 0 {
		return fmt.Sprintf("clicks of %d lanes of programs to be counted", left), nil
	}
	return "", nil
}

// none wants a query in PostgreSQL to count nothing.
func (q *quiet) none(what, query string) stage {
	return func(ctx context.Context) (string, error) {
		var n int64
		if err := q.db.QueryRow(ctx, query).Scan(&n); err != nil {
			return "", fmt.Errorf("counting %s: %w", what, err)
		}
		if n > 0 {
			return fmt.Sprintf("%d %s", n, what), nil
		}
		return "", nil
	}
}

// arrived wants what was sent last to be in ClickHouse.
func (q *quiet) arrived(what, query string, ids []string) stage {
	return func(ctx context.Context) (string, error) {
		var n uint64
		if err := q.rows.QueryRow(ctx, query, ids).Scan(&n); err != nil {
			return "", fmt.Errorf("looking for the last %s: %w", what, err)
		}
		if int(n) < len(ids) {
			return fmt.Sprintf("%d of the last %d %s to arrive in ClickHouse", len(ids)-int(n), len(ids), what), nil
		}
		return "", nil
	}
}

// behind wants a consumer to have read a topic to its end.
func (q *quiet) behind(consumer, topic string) stage {
	return func(ctx context.Context) (string, error) {
		left := int64(0)
		for partition := range partitions {
			var next int64
			var halted string
			err := q.db.QueryRow(ctx, `SELECT next_offset, halted FROM position WHERE consumer = $1 AND topic = $2 AND partition = $3`,
				consumer, topic, partition).Scan(&next, &halted)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return "", fmt.Errorf("reading a position: %w", err)
			}
			if halted != "" {
				return fmt.Sprintf("partition %d of %s is halted for the %s: %s", partition, topic, consumer, halted), nil
			}
			_, end, err := q.kafka.Offsets(ctx, topic, partition)
			if err != nil {
				return "", err
			}
			left += end - next
		}
		if left > 0 {
			return fmt.Sprintf("%d records of %s for the %s to read", left, topic, consumer), nil
		}
		return "", nil
	}
}

// verify runs the program's own verification. What it finds broken is a finding, and at rest also what needs operator action
// or for another stage; under fire that is as it should be.
func (n *Network) verify(ctx context.Context, under bool) ([]Finding, error) {
	cmd := n.Command(ctx, "verify", "--json", "--log-level=error")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || len(out) == 0) {
		return nil, fmt.Errorf("running verify: %w: %s", err, stderr.String())
	}
	var verdict struct {
		Findings   []json.RawMessage `json:"findings"`
		ClickHouse []json.RawMessage `json:"clickhouse"`
	}
	if err := json.Unmarshal(out, &verdict); err != nil {
		return nil, fmt.Errorf("reading the verdict of verify: %w", err)
	}
	var findings []Finding
	for _, f := range append(verdict.Findings, verdict.ClickHouse...) {
		var is struct {
			Severity string `json:"severity"`
		}
		_ = json.Unmarshal(f, &is) // one that has none is as bad as can be
		if !under || is.Severity != "attention" {
			findings = append(findings, Finding{"verify", string(f)})
		}
	}
	return findings, nil
}
