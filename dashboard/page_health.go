package dashboard

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/commission/ledger"
)

// healthView is how the river runs, and what waits for a person.
type healthView struct {
	at      time.Time
	hops    []hop
	lanes   []laneRow
	batches []batchRow
	letters []letterRow
	spools  []spoolRow
	sealed  *time.Time
	loaded  *time.Time // when a batch was last in ClickHouse
	posted  *time.Time
	off     []string // units in which debits and credits differ
	todo    []todo
}

// A lag is what a stage has still to do on a lane.
type lag struct {
	Stage, Topic string
	Lane         int
	Records      int64
}

// A hop is a step of the river with its lanes added up.
type hop struct {
	name    string
	lanes   int
	records int64
	most    lag // the lane that is furthest behind
}

// laneRow is a partition as one of its consumers has it.
type laneRow struct {
	Consumer, Topic string
	Partition       int
	NextOffset      int64
	Owner           string
	Held            bool
	Attempts        int
	Halted          string
	Gap             int64 // the sequence behind the gap it met, 0 for none
}

func (l laneRow) name() string { return l.Consumer + " " + l.Topic + "/" + strconv.Itoa(l.Partition) }

// batchRow is a batch for ClickHouse that is not done.
type batchRow struct {
	Topic                         string
	Partition                     int
	FirstOffset, LastOffset, Rows int64
	State                         string
	PlannedAt                     time.Time
	Problem                       string
}

// letterRow is how many records of a consumer were set aside, and the newest of them.
type letterRow struct {
	Consumer, Topic string
	N               int64
	At              time.Time
	Error           string
}

// spoolRow is a tracker's spool.
type spoolRow struct {
	Spool  string
	Owner  string
	Seen   time.Time
	Last   int64
	Unsent int64
}

// A todo is what a person should do about something, in the words of `tributary --help`.
type todo struct {
	what, why, command string
}

// What is late enough to be said, as the alerts have it.
const (
	silentAfter = time.Minute     // a tracker writes how far it is every five seconds
	lateAfter   = 5 * time.Minute // a batch takes seconds
	healthRows  = 100             // of each table
)

func (s *Server) health(c echo.Context, v *visit) error {
	view := healthView{at: v.at}
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) error {
		for _, read := range []func(context.Context, pgx.Tx) error{view.readHops, view.readLanes, view.readWaiting, view.readSpools, view.readBooks} {
			if err := read(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	view.advise()
	return s.page(c, v, "Health", healthPage(view))
}

//go:embed query/lags.sql
var lagsSQL string

// stageName says what a stage does with a topic.
func stageName(stage, topic string) string {
	switch stage {
	case "relay":
		return "Spool to Kafka, " + topic
	case "outbox":
		return "Books to Kafka, " + topic
	case "engine":
		return "Kafka to books, " + topic
	case "loader":
		return "Kafka to ClickHouse, " + topic
	}
	return stage + ", " + topic
}

func (view *healthView) readHops(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, lagsSQL)
	if err != nil {
		return fmt.Errorf("reading lags: %w", err)
	}
	lags, err := pgx.CollectRows(rows, pgx.RowToStructByName[lag])
	if err != nil {
		return fmt.Errorf("reading lags: %w", err)
	}
	rank := []string{"relay", "engine", "outbox", "loader"}
	slices.SortStableFunc(lags, func(a, b lag) int { return slices.Index(rank, a.Stage) - slices.Index(rank, b.Stage) })
	for _, l := range lags {
		name := stageName(l.Stage, l.Topic)
		i := slices.IndexFunc(view.hops, func(h hop) bool { return h.name == name })
		if i < 0 {
			i, view.hops = len(view.hops), append(view.hops, hop{name: name})
		}
		h := &view.hops[i]
		h.lanes++
		h.records += l.Records
		if l.Records > h.most.Records {
			h.most = l
		}
	}
	return nil
}

func (view *healthView) readLanes(ctx context.Context, tx pgx.Tx) error {
	// name: lanes of the river
	rows, err := tx.Query(ctx, `SELECT consumer, topic, partition, next_offset, owner, held, attempts, halted,
			coalesce((SELECT max(gap) FROM health_seen s WHERE (s.consumer, s.topic, s.partition) = (l.consumer, l.topic, l.partition)), 0) AS gap
		FROM health_lane l ORDER BY halted = '', held, consumer, topic, partition LIMIT $1`, healthRows)
	if err != nil {
		return fmt.Errorf("reading lanes: %w", err)
	}
	if view.lanes, err = pgx.CollectRows(rows, pgx.RowToStructByName[laneRow]); err != nil {
		return fmt.Errorf("reading lanes: %w", err)
	}
	return nil
}

// readWaiting reads batches that are not in ClickHouse and records that were set aside.
func (view *healthView) readWaiting(ctx context.Context, tx pgx.Tx) error {
	// name: open batches
	rows, err := tx.Query(ctx, `SELECT topic, partition, first_offset, last_offset, rows, state, planned_at, problem FROM health_batch
		WHERE state <> 'done' ORDER BY state, planned_at LIMIT $1`, healthRows)
	if err != nil {
		return fmt.Errorf("reading batches: %w", err)
	}
	if view.batches, err = pgx.CollectRows(rows, pgx.RowToStructByName[batchRow]); err != nil {
		return fmt.Errorf("reading batches: %w", err)
	}
	// name: dead letters
	rows, err = tx.Query(ctx, `SELECT consumer, topic, count(*) AS n, max(at) AS at, (array_agg(error ORDER BY at DESC))[1] AS error
		FROM health_letter GROUP BY consumer, topic ORDER BY consumer, topic`)
	if err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	if view.letters, err = pgx.CollectRows(rows, pgx.RowToStructByName[letterRow]); err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	return nil
}

func (view *healthView) readSpools(ctx context.Context, tx pgx.Tx) error {
	// name: spools of trackers
	rows, err := tx.Query(ctx, `SELECT encode(spool, 'hex') AS spool, max(owner) AS owner, max(seen) AS seen, sum(last)::bigint AS last, sum(last - sent)::bigint AS unsent
		FROM health_spool GROUP BY spool ORDER BY max(seen) DESC LIMIT $1`, healthRows)
	if err != nil {
		return fmt.Errorf("reading spools: %w", err)
	}
	if view.spools, err = pgx.CollectRows(rows, pgx.RowToStructByName[spoolRow]); err != nil {
		return fmt.Errorf("reading spools: %w", err)
	}
	return nil
}

func (view *healthView) readBooks(ctx context.Context, tx pgx.Tx) error {
	// name: ends of the river
	err := tx.QueryRow(ctx, `SELECT (SELECT at FROM health_seal), (SELECT max(done_at) FROM (SELECT done_at FROM health_batch ORDER BY done_at DESC NULLS LAST LIMIT 1) x),
		(SELECT posted_at FROM posting ORDER BY seq DESC LIMIT 1)`).Scan(&view.sealed, &view.loaded, &view.posted)
	if err != nil {
		return fmt.Errorf("reading the ends of the river: %w", err)
	}
	totals, err := ledger.TrialBalance(ctx, tx, time.Time{})
	if err != nil {
		return fmt.Errorf("reading the books: %w", err)
	}
	for _, b := range booksOf(totals) {
		if !b.balanced() {
			view.off = append(view.off, b.currency)
		}
	}
	return nil
}

// advise lists what a person should do, the gravest first.
func (view *healthView) advise() {
	add := func(what, why, command string) { view.todo = append(view.todo, todo{what, why, command}) }
	for _, unit := range view.off {
		add("Debits and credits of "+unit+" differ", "The books do not balance: stop paying out and find the row.", "tributary verify")
	}
	for _, l := range view.lanes {
		place := l.Consumer + " " + l.Topic + " " + strconv.Itoa(l.Partition)
		switch {
		case l.Halted != "" && l.Gap != 0:
			add("Lane "+l.name()+" is halted at a gap", l.Halted+" Send the records again from the tracker's spool; only where they are lost for good, accept that.",
				"tributary spool rewind, then tributary resume "+place+" --remedy refilled")
		case l.Halted != "":
			add("Lane "+l.name()+" is halted", l.Halted, "tributary resume "+place)
		case !l.Held:
			add("Nobody works on lane "+l.name(), "No process holds it: its records wait in Kafka.", "tributary serve "+l.Consumer)
		}
	}
	for _, b := range view.batches {
		place := b.Topic + "/" + strconv.Itoa(b.Partition) + " " + strconv.FormatInt(b.FirstOffset, 10) + " to " + strconv.FormatInt(b.LastOffset, 10)
		switch {
		case b.State == "parked":
			add("Batch "+place+" is parked", b.Problem, fmt.Sprintf("tributary reload %s %d %d", b.Topic, b.Partition, b.FirstOffset))
		case view.at.Sub(b.PlannedAt) > lateAfter:
			add("Batch "+place+" is not in ClickHouse yet", "It was planned "+second(b.PlannedAt)+".", "tributary doctor")
		}
	}
	for _, l := range view.letters {
		add(plural(l.N, "record")+" of "+l.Topic+" set aside by the "+l.Consumer, l.Error, "tributary deadletters list")
	}
	for _, s := range view.spools {
		if s.Unsent > 0 && view.at.Sub(s.Seen) > silentAfter {
			add("Tracker "+s.Owner+" is silent", count(s.Unsent)+" records on its disk are not in Kafka. Start it again on its disk; only if that is lost, forget it.",
				"tributary spool forget "+s.Spool)
		}
	}
}
