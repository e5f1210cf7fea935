package doctor

import (
	"testing"
	"time"
)

func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	for skew, want := range map[time.Duration]Health{
		0: OK, 900 * time.Millisecond: OK, -5 * time.Second: Warn, 5 * time.Second: Warn, -time.Minute: Wrong, time.Hour: Wrong,
	} {
		var r Report
		r.Clock("PostgreSQL", time.Now().Add(skew), time.Now())
		if r.Findings[0].Health != want {
			t.Errorf("%s apart: %+v, want %s", skew, r.Findings[0], want)
		}
	}
}
