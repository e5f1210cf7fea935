package dashboard

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/report"
)

// healthView is how the pipeline runs, and what waits for a person.
type healthView struct {
	report.Health

	at    time.Time
	steps []step
	todo  []todo
}

// A step is a stage's work on a topic, with its lanes added up.
type step struct {
	name    string
	lanes   int
	records int64
	most    report.Lag // the lane that is furthest behind
}

func laneName(l report.Lane) string {
	return l.Consumer + " " + l.Topic + "/" + strconv.Itoa(l.Partition)
}

// A todo is what a person should do about something, in the words of `tributary --help`.
type todo struct {
	what, why, command string
}

// What is late enough to be said, as the alerts have it.
const (
	silentAfter = time.Minute     // a tracker writes how far it is every five seconds
	lateAfter   = 5 * time.Minute // a batch takes seconds
)

func (s *Server) health(c echo.Context, v *visit) error {
	view := healthView{at: v.at}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.Health, err = r.Health(ctx)
		return err
	})
	if err != nil {
		return err
	}
	view.steps = stepsOf(view.Lags)
	view.advise()
	return s.page(c, v, "Health", healthPage(view))
}

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

// stepsOf adds up the lanes of each step, in the order of the pipeline.
func stepsOf(lags []report.Lag) []step {
	rank := []string{"relay", "engine", "outbox", "loader"}
	slices.SortStableFunc(lags, func(a, b report.Lag) int { return slices.Index(rank, a.Stage) - slices.Index(rank, b.Stage) })
	var steps []step
	for _, l := range lags {
		name := stageName(l.Stage, l.Topic)
		i := slices.IndexFunc(steps, func(s step) bool { return s.name == name })
		if i < 0 {
			i, steps = len(steps), append(steps, step{name: name})
		}
		s := &steps[i]
		s.lanes++
		s.records += l.Records
		if l.Records > s.most.Records {
			s.most = l
		}
	}
	return steps
}

// advise lists what a person should do, the gravest first.
func (view *healthView) advise() {
	add := func(what, why, command string) { view.todo = append(view.todo, todo{what, why, command}) }
	for _, unit := range view.Unbalanced {
		add("Debits and credits of "+unit+" differ", "The books do not balance: stop paying out and find the row.", "tributary verify")
	}
	for _, l := range view.Lanes {
		place := l.Consumer + " " + l.Topic + " " + strconv.Itoa(l.Partition)
		switch {
		case l.Halted != "" && l.Gap != 0:
			add("Lane "+laneName(l)+" is halted at a gap", l.Halted+" Send the records again from the tracker's spool; only where they are lost for good, accept that.",
				"tributary spool rewind, then tributary resume "+place+" --remedy refilled")
		case l.Halted != "":
			add("Lane "+laneName(l)+" is halted", l.Halted, "tributary resume "+place)
		case !l.Held:
			add("Nobody works on lane "+laneName(l), "No process holds it: its records wait in Kafka.", "tributary serve "+l.Consumer)
		}
	}
	for _, b := range view.Batches {
		place := b.Topic + "/" + strconv.Itoa(b.Partition) + " " + strconv.FormatInt(b.FirstOffset, 10) + " to " + strconv.FormatInt(b.LastOffset, 10)
		switch {
		case b.State == "parked":
			add("Batch "+place+" is parked", b.Problem, fmt.Sprintf("tributary reload %s %d %d", b.Topic, b.Partition, b.FirstOffset))
		case view.at.Sub(b.PlannedAt) > lateAfter:
			add("Batch "+place+" is not in ClickHouse yet", "It was planned "+second(b.PlannedAt)+".", "tributary doctor")
		}
	}
	for _, l := range view.Letters {
		add(plural(l.N, "record")+" of "+l.Topic+" set aside by the "+l.Consumer, l.Error, "tributary deadletters list")
	}
	for _, s := range view.Spools {
		if s.Unsent > 0 && view.at.Sub(s.Seen) > silentAfter {
			add("Tracker "+s.Owner+" is silent", count(s.Unsent)+" records on its disk are not in Kafka. Start it again on its disk; only if that is lost, forget it.",
				"tributary spool forget "+s.Spool)
		}
	}
}
