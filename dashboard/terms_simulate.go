package dashboard

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tributary/commission/rerun"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// Bounds of a simulation on a page.
const (
	simulatedDays   = 90  // unless others are chosen
	simulatedAtMost = 366 // days
	simulatedFor    = 40 * time.Second
	simulatedSteps  = 250 * time.Millisecond // between words of how far it is
)

// simulationMark stands in a page where a simulation is to be written, as terms_simulate.templ has it. No text of a page holds it, since
// texts are escaped.
const simulationMark = "<!--simulation-->"

// withSimulation fills in the days of a simulation where nobody has: the last ninety.
func (f *termsForm) withSimulation(now time.Time) {
	if !f.Values.Has("simulate_from") {
		f.Values.Set("simulate_from", now.AddDate(0, 0, -simulatedDays).Format(time.DateOnly))
		f.Values.Set("simulate_to", now.Format(time.DateOnly))
	}
}

// simulated reads the days of a simulation, the last one included. What is wrong is noted.
func (f *termsForm) simulated() (in rerun.Range, ok bool) {
	before := len(f.Problems)
	day := func(name string) time.Time {
		at, err := time.Parse(time.DateOnly, f.Get(name))
		if err != nil || at.Year() < 1970 || at.Year() >= 2300 {
			f.note(name, text.WrongDay(strconv.Quote(f.Get(name))), text.FixDay())
		}
		return at
	}
	in = rerun.Range{From: day("simulate_from"), To: day("simulate_to").AddDate(0, 0, 1)}
	switch {
	case len(f.Problems) > before:
	case !in.From.Before(in.To):
		f.note("simulate_to", text.WrongDaysOrder(), text.FixDaysOrder())
	case in.To.Sub(in.From) > simulatedAtMost*24*time.Hour:
		f.note("simulate_to", text.WrongTooManyDays(simulatedAtMost), text.FixFewerDays())
	}
	return in, len(f.Problems) == before
}

// simulate shows the terms with what they would have paid, which is written as it comes: the page up to there, how far it is,
// and the rest. It ends with the request.
func (s *Server) simulate(c echo.Context, view *termsView, in rerun.Range) error {
	v := view.visit
	end, ok := s.pace.beginFile(v.login.ID)
	if !ok {
		return tooMany(c, 5*time.Second, "too_many_files")
	}
	defer end()
	s.count(c, v)
	view.simulates = true
	ctx := text.With(c.Request().Context(), s.text)
	var page bytes.Buffer
	if err := frame(v, v.text.TermsConfirm(), confirmTermsPage(view)).Render(ctx, &page); err != nil {
		return fmt.Errorf("rendering %s: %w", c.Path(), err)
	}
	head, tail, _ := bytes.Cut(page.Bytes(), []byte(simulationMark))
	c.Response().Header().Set(echo.HeaderContentType, echo.MIMETextHTMLCharsetUTF8)
	c.Response().WriteHeader(http.StatusOK)
	out := &trickle{c: c}
	out.write(head)
	out.render(ctx, s.simulation(ctx, view, in, out))
	out.write(tail)
	return out.err
}

// simulation runs the simulation and gives what it comes to.
func (s *Server) simulation(ctx context.Context, view *termsView, in rerun.Range, out *trickle) templ.Component {
	limited, stop := context.WithTimeout(ctx, simulatedFor)
	defer stop()
	terms := view.draft
	terms.EffectiveFrom = in.From
	terms.Rules = max(view.before.Rules, terms.LeastRules())
	var said time.Time
	asked := rerun.Asked{Program: view.program.ID, Terms: []program.Terms{terms.Terms()}, In: in, Progress: func(done, total int64) {
		if now := time.Now(); now.Sub(said) >= simulatedSteps {
			said = now
			out.render(ctx, simulationStep(done, total)) //nolint:contextcheck // it is given as the piece is rendered
		}
	}}
	var result *report.Simulated
	err := s.reports.Snapshot(limited, view.visit.scope(), func(r *report.Snapshot) (err error) {
		result, err = r.Simulate(limited, asked)
		return err
	})
	if err != nil {
		s.cfg.Log.Warn("simulating terms", "program", view.program.ID, "error", err)
		return simulationFailed()
	}
	return simulationResult(result) //nolint:contextcheck // as above
}

// trickle is an answer that is sent piece by piece. After an error it sends no more.
type trickle struct {
	c   echo.Context
	err error
}

func (t *trickle) write(page []byte) {
	if t.err != nil {
		return
	}
	if _, t.err = t.c.Response().Write(page); t.err == nil {
		t.c.Response().Flush()
	}
}

func (t *trickle) render(ctx context.Context, piece templ.Component) {
	var b bytes.Buffer
	if err := piece.Render(ctx, &b); err != nil && t.err == nil {
		t.err = fmt.Errorf("rendering a simulation: %w", err)
	}
	t.write(b.Bytes())
}
