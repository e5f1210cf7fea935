package dashboard

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/text"
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
	lateAfter   = 5 * time.Minute // a batch takes seconds, and so does a visitor's path
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
	view.steps = stepsOf(v.text, view.Lags)
	view.advise(v.text)
	return s.page(c, v, v.text.HealthTitle(), healthPage(view))
}

// paths says how far the look-up of visitors' paths is.
func (view *healthView) paths(t *text.Printer) string {
	if view.PathsSince == nil {
		return t.HealthPathsNone()
	}
	return t.HealthPathsWait(view.PathsWanted, t.Second(*view.PathsSince))
}

// stepsOf adds up the lanes of each step, in the order of the pipeline.
func stepsOf(t *text.Printer, lags []report.Lag) []step {
	rank := []string{"relay", "engine", "outbox", "loader"}
	slices.SortStableFunc(lags, func(a, b report.Lag) int { return slices.Index(rank, a.Stage) - slices.Index(rank, b.Stage) })
	var steps []step
	for _, l := range lags {
		name := t.Stage(l.Stage, l.Topic)
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
func (view *healthView) advise(t *text.Printer) {
	add := func(what, why, command string) { view.todo = append(view.todo, todo{what, why, command}) }
	for _, unit := range view.Unbalanced {
		add(t.TodoUnbalanced(unit), t.TodoUnbalancedWhy(), "tributary verify")
	}
	for _, l := range view.Lanes {
		resume := "tributary resume " + l.Consumer + " " + l.Topic + " " + strconv.Itoa(l.Partition)
		switch {
		case l.Halted != "" && l.Gap != 0:
			add(t.TodoGap(laneName(l)), t.TodoGapWhy(l.Halted), t.TodoGapDo("tributary spool rewind", resume+" --remedy refilled"))
		case l.Halted != "":
			add(t.TodoHalted(laneName(l)), t.TodoProblem(l.Halted), resume)
		case !l.Held:
			add(t.TodoIdle(laneName(l)), t.TodoIdleWhy(), "tributary serve "+l.Consumer)
		}
	}
	for _, b := range view.Batches {
		batch := t.TodoBatch(strconv.FormatInt(b.FirstOffset, 10), strconv.FormatInt(b.LastOffset, 10), b.Topic+"/"+strconv.Itoa(b.Partition))
		switch {
		case b.State == "parked":
			add(t.TodoParked(batch), t.TodoProblem(b.Problem), fmt.Sprintf("tributary loader retry %s %d %d", b.Topic, b.Partition, b.FirstOffset))
		case view.at.Sub(b.PlannedAt) > lateAfter:
			add(t.TodoLate(batch), t.TodoLateWhy(t.Second(b.PlannedAt)), "tributary doctor")
		}
	}
	if since := view.PathsSince; since != nil && view.at.Sub(*since) > lateAfter {
		add(t.TodoPaths(view.PathsWanted), t.TodoPathsWhy(t.Second(*since)), "tributary doctor")
	}
	for _, l := range view.Letters {
		add(t.TodoLetters(l.N, l.Consumer, l.Topic), t.TodoProblem(l.Error), "tributary deadletters list")
	}
	for _, d := range view.Disputes {
		add(t.TodoDispute(d.Ref, d.Merchant, d.OrderID), t.TodoDisputeWhy(t.Day(d.At)), fmt.Sprintf("tributary admin settle-dispute %d won|lost", d.No))
	}
	for _, s := range view.Spools {
		if s.Unsent > 0 && view.at.Sub(s.Seen) > silentAfter {
			add(t.TodoSilent(s.Owner), t.TodoSilentWhy(s.Unsent), "tributary spool forget "+s.Spool)
		}
	}
}
