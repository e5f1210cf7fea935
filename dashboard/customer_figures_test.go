package dashboard

import (
	"testing"

	"tributary/internal/text"
	"tributary/report"
)

func TestFiguresOfCustomersAreWritten(t *testing.T) {
	t.Parallel()
	p := text.English()
	for _, c := range []struct{ what, got, want string }{
		{"few cases", share(p, report.Ratio{Sum: 2, Of: 7}), "2 of 7"},
		{"29 cases", share(p, report.Ratio{Sum: 29, Of: 29}), "29 of 29"},
		{"30 cases", share(p, report.Ratio{Sum: 1, Of: 30}), "3.3%"},
		{"a share", share(p, report.Ratio{Sum: 885, Of: 4338}), "20.4%"},
		{"no cases", share(p, report.Ratio{}), text.Dash},
		{"below zero", percent(p, report.Ratio{Sum: -1, Of: 3}), "−33.3%"},
		{"two decimals", twoDecimals(p, report.Ratio{Sum: 14194, Of: 4338}), "3.27"},
		{"a loss", twoDecimals(p, report.Ratio{Sum: -5, Of: 4}), "−1.25"},
		{"days", medianDays(p, 1, report.Half{Twice: 3787620}), "21.9 days"},
		{"no days", medianDays(p, 0, report.Half{}), text.Dash},
		{"a mean", mean("GBP", report.Ratio{Sum: 184649800, Of: 4338}), "425.66"},
		{"a mean without decimals", mean("JPY", report.Ratio{Sum: 5, Of: 2}), "3"},
		{"a median between two", median("GBP", 2, report.Half{Twice: 60223}), "301.12"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}

func TestTheAxisOfBarsIsRound(t *testing.T) {
	t.Parallel()
	for largest, want := range map[int64]int64{0: 2, 1: 2, 7: 7, 11: 20, 219: 300, 885: 900, 1000: 1000, 1001: 2000} {
		if got := barTop([]bar{{parts: []int64{largest}}, {parts: []int64{0}}}); got != want {
			t.Errorf("the top of %d is %d, want %d", largest, got, want)
		}
	}
}
