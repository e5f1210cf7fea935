package fire

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
)

// Limits of an outage.
const (
	outageGrowth   = 64 << 20              // bytes of resident memory that the tracker may gain
	outageSlowest  = 20 * time.Millisecond // of redirects' p99, or three times what it was before if that is more
	outageShortest = 30 * time.Second      // a backlog may take as long even after a shorter outage: the pauses between attempts grow to 5 s
	fresh          = 5 * time.Second       // what arrives within this time of its receipt is no backlog
)

// outage takes Kafka away, then ClickHouse, then PostgreSQL, each for a fifth of the time that is left when the phases
// before and between are taken off, and looks at what callers notice: nothing. The tracker is restarted while PostgreSQL
// is away.
func outage(ctx context.Context, r *Run) error {
	away := r.Config.For / 5
	pause(ctx, min(10*time.Second, away/2)) // connections and caches
	r.cut()
	rows := [][]string{slices.Concat([]string{"server", "phase", "seconds"}, phaseTitles(), []string{"tracker MB", "backlog gone after s"})}
	note := func(server, phase string, p Phase, memory int64, caughtUp string) {
		rows = append(rows, slices.Concat([]string{server, phase, fmt.Sprintf("%.0f", p.Took.Seconds())}, p.columns(), []string{megabytes(memory), caughtUp}))
	}
	for _, server := range []embedded.Engine{embedded.Kafka, embedded.ClickHouse, embedded.Postgres} {
		pause(ctx, away/3)
		before := r.cut()
		start, _ := r.trackerMemory()
		note(string(server), "before", before, start, "")
		r.Sayf("%s is away for %s", server, away)
		r.Net.Proxies[server].Refuse(true)
		most, err := r.sit(ctx, server, away)
		if err != nil {
			return err
		}
		during := r.cut()
		r.Net.Proxies[server].Refuse(false)
		back := time.Now()
		r.Sayf("%s is back", server)
		gone, err := r.caughtUp(ctx, back, 2*away+30*time.Second)
		if err != nil {
			return err
		}
		after := r.cut()
		note(string(server), "away", during, most, "")
		note(string(server), "back", after, resident(r.Net.Process("tracker").Pid()), fmt.Sprintf("%.1f", gone.Seconds()))
		r.judgeOutage(server, before, during, most-start, gone, away)
	}
	r.Table(rows)
	return ctx.Err()
}

// trackerMemory is the tracker's resident memory and its pid.
func (r *Run) trackerMemory() (bytes int64, pid int) {
	pid = r.Net.Process("tracker").Pid()
	return resident(pid), pid
}

// sit waits for the end of an outage and gives the most memory that the tracker took. When PostgreSQL is down the tracker is
// restarted halfway: it must answer without.
func (r *Run) sit(ctx context.Context, server embedded.Engine, away time.Duration) (most int64, err error) {
	end := time.Now().Add(away)
	restart := server == embedded.Postgres
	for time.Now().Before(end) && ctx.Err() == nil {
		pause(ctx, 500*time.Millisecond)
		bytes, _ := r.trackerMemory()
		most = max(most, bytes)
		if restart && time.Until(end) < away/2 {
			restart = false
			began := time.Now()
			r.Net.Process("tracker").Kill()
			for r.Net.Process("tracker").Pid() == 0 && ctx.Err() == nil {
				pause(ctx, 10*time.Millisecond)
			}
			if err := r.Net.awaitTracker(ctx); err != nil {
				return most, fmt.Errorf("starting a tracker without PostgreSQL: %w", err)
			}
			r.Sayf("a tracker killed while PostgreSQL is down answers again after %.1fs", time.Since(began).Seconds())
		}
	}
	return most, ctx.Err()
}

// judgeOutage finds what callers should not have noticed.
func (r *Run) judgeOutage(server embedded.Engine, before, during Phase, growth int64, gone, away time.Duration) {
	check := "outage of " + string(server)
	if n := during.refused(); n > 0 {
		r.Findf(check, "%d reports were turned away", n)
	}
	if n := Total(during.Crowd.Other); n > 0 {
		r.Findf(check, "%d visits of the crowd were turned away", n)
	}
	if was, is := rate(before.done(), before.Took), rate(during.done(), during.Took); is < 0.9*was {
		r.Findf(check, "%.0f requests a second were done, and %.0f before", is, was)
	}
	if n, of := during.Unstored+during.Crowd.Unstored, len(during.Clicks)+during.Crowd.Stored+during.Crowd.Unstored; 100*n > of {
		r.Findf(check, "%d of %d clicks were answered without being stored", n, of)
	}
	if n := during.unanswered(); n > 0 && server != embedded.Postgres { // there the tracker is killed, too
		r.Findf(check, "%d requests got no answer", n)
	}
	if p99, was := quantile(during.Clicks, 0.99), quantile(before.Clicks, 0.99); p99 > max(outageSlowest, 3*was) {
		r.Findf(check, "the slowest hundredth of redirects took %s, and %s before", p99, was)
	}
	if growth > outageGrowth {
		r.Findf(check, "the tracker's memory grew by %s MB", megabytes(growth))
	}
	if gone > max(away, outageShortest) {
		r.Findf(check, "the backlog was gone after %s, and the outage took %s", gone, away)
	}
}

// caughtUp waits until whatever comes in arrives at once, in every partition and store, and tells how long after back that
// was. The load must go on.
func (r *Run) caughtUp(ctx context.Context, back time.Time, limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	left := ""
	for ctx.Err() == nil {
		var err error
		left, err = r.late(ctx)
		if err == nil && left == "" {
			return time.Since(back), nil
		}
		if err != nil {
			left = err.Error()
		}
		pause(ctx, 500*time.Millisecond)
	}
	r.Findf("outage", "after %s the backlog is not gone: %s", limit, left)
	return limit, nil
}

// late names the partitions in which the newest record is old.
func (r *Run) late(ctx context.Context) (string, error) {
	conn, err := clickhouse.Open(r.Net.Addresses.ClickHouseURL, 1)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	db, err := pgx.Connect(ctx, r.Net.Addresses.PostgresURL)
	if err != nil {
		return "", fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer db.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	var late []string
	for _, table := range []string{"touch", "order_event"} {
		var n uint64
		err := conn.QueryRow(ctx, "SELECT countIf(newest >= now64(6) - toIntervalSecond(?)) FROM (SELECT max(received_at) AS newest FROM "+table+
			" WHERE received_at > now64(6) - toIntervalHour(2) GROUP BY _partition)", int(fresh.Seconds())).Scan(&n)
		if err != nil {
			return "", fmt.Errorf("asking how fresh %s is: %w", table, err)
		}
		if n < partitions {
			late = append(late, strconv.Itoa(partitions-int(n))+" partitions of "+table)
		}
	}
	var n int64
	err = db.QueryRow(ctx, `SELECT count(*) FROM (SELECT o.lane FROM order_event e JOIN orders o ON o.no = e.order_no
		WHERE e.received_at > now() - $1 * interval '1 second' GROUP BY o.lane) AS f`, fresh.Seconds()).Scan(&n)
	if err != nil {
		return "", fmt.Errorf("asking how fresh the books are: %w", err)
	}
	if n < partitions {
		late = append(late, strconv.Itoa(partitions-int(n))+" lanes of the books")
	}
	return strings.Join(late, ", "), nil
}

// steps of overload.
const overloadSteps = 10

// overload raises the load from 1 to 10 times Rate in equal steps, and wants what cannot be done to be refused with a word
// on when to come again, and what can be done to be done: at ten times at least four fifths of the best. Merchants send more
// reports than they may all the while.
func overload(ctx context.Context, r *Run) error {
	step := r.Config.For / (overloadSteps + 1)
	rows := [][]string{slices.Concat([]string{"wanted/s"}, phaseTitles(), []string{"done/s", "tracker MB"})}
	best, last, most, refused := 0.0, 0.0, int64(0), 0
	start, pid := r.trackerMemory()
	for n := 1; n <= overloadSteps && ctx.Err() == nil; n++ {
		if err := r.SetRate(n * r.Config.Rate); err != nil {
			return err
		}
		r.cut()
		pause(ctx, step)
		p := r.cut()
		bytes, now := r.trackerMemory()
		if now != pid {
			r.Findf("overload", "the tracker ended at %d times the load", n)
			pid = now
		}
		most = max(most, bytes)
		last = rate(p.done(), p.Took)
		best = max(best, last)
		refused += p.Status["report 429"]
		rows = append(rows, slices.Concat([]string{strconv.Itoa(n * r.Config.Rate)}, p.columns(), []string{fmt.Sprintf("%.0f", last), megabytes(bytes)}))
		if hasty := p.Hasty + p.Crowd.Hasty; hasty > 0 {
			r.Findf("overload", "%d refusals did not say when to come again", hasty)
		}
		if failed := p.Status["report 500"] + p.Status["click 500"] + p.Crowd.Other["500"]; failed > 0 {
			r.Findf("overload", "%d requests were answered 500", failed)
		}
	}
	r.Table(rows)
	if refused == 0 {
		r.Findf("overload", "no report was refused, though the merchants sent more than they may")
	}
	if last < 0.8*best {
		r.Findf("overload", "at %d times the load %.0f requests a second were done, and %.0f at best", overloadSteps, last, best)
	}
	if most-start > 4*outageGrowth {
		r.Findf("overload", "the tracker's memory grew by %s MB", megabytes(most-start))
	}
	return ctx.Err()
}
