package commission_test

import (
	"testing"

	"tributary/commission"
)

func TestARateIsWrittenWithItsDecimals(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		num, den int64
		want     string
	}{
		{10523, 10000, "1.0523"}, {162, 1, "162"}, {1, 8, "0.125"}, {10000, 10523, "0.9502993443"}, {2, 3, "0.6666666667"},
	} {
		r := commission.Rate{Num: row.num, Den: row.den}
		if got := r.Decimal(); got != row.want {
			t.Errorf("%d/%d: %s, want %s", row.num, row.den, got, row.want)
		}
	}
}
