package commission

import (
	"errors"
	"fmt"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// Clicks are the clicks of a day that are paid for: an order of the network's own, whose lines have as many pieces as clicks were
// counted, and cost nothing. Its time is the end of the day, and it is taken as stated.
type Clicks struct {
	Program program.ProgramID `json:"program"`
	Partner program.PartnerID `json:"partner"`
	// Day is one of UTC: 2026-09-07.
	Day string `json:"day"`
}

// clicksOf is what a sale says of clicks, nil for an order of a merchant's.
func clicksOf(s *event.Sale) *Clicks {
	c := s.GetCounted()
	if c == nil {
		return nil
	}
	return &Clicks{Program: program.ProgramID(c.GetProgramId()), Partner: program.PartnerID(c.GetPartnerId()), Day: c.GetDay()}
}

// checkCounted checks what a sale says of clicks.
func checkCounted(s *event.Sale) error {
	c := s.GetCounted()
	if c == nil {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, c.GetDay()); err != nil {
		return fmt.Errorf("its clicks are of no day: %w", err)
	}
	if c.GetProgramId() <= 0 || c.GetPartnerId() <= 0 || s.GetGoal() != program.GoalClick || s.GetTest() {
		return errors.New("its clicks are of no program or partner, or it is for something else")
	}
	return nil
}
