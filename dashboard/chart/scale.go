package chart

// ticks gives the marks of an axis: evenly spaced round numbers (1, 2 or 5 times a power of ten) from at or below the
// least value to at or above the greatest, 0 among them, at most seven. unit is the smallest step worth a mark, above
// zero.
func ticks(least, greatest, unit int64) []int64 {
	least, greatest = min(least, 0), max(greatest, 0)
	if greatest == least {
		greatest = unit
	}
	// Differences are taken as uint64: the ends may be further apart than an int64 holds.
	step := roundStep((uint64(greatest)-uint64(least)+4)/5, uint64(unit))
	first := least / step * step
	if first > least {
		first -= step
	}
	marks := []int64{first}
	for marks[len(marks)-1] < greatest {
		marks = append(marks, marks[len(marks)-1]+step)
	}
	return marks
}

// roundStep is the smallest of 1, 2, 5, 10, 20, 50... units that is not below least.
func roundStep(least, unit uint64) int64 {
	for step := unit; ; step *= 10 {
		for _, times := range []uint64{1, 2, 5} {
			if step*times >= least {
				return int64(step * times)
			}
		}
	}
}

// A scale maps values onto the height of a plot, 0 at the bottom and 100 at the top. Only places on the screen are
// fractions; the values themselves stay whole.
type scale struct{ low, high int64 }

func scaleOf(marks []int64) scale { return scale{low: marks[0], high: marks[len(marks)-1]} }

// up is how far above the bottom a value stands, in hundredths of the height.
func (s scale) up(value int64) float64 {
	return 100 * (float64(value) - float64(s.low)) / (float64(s.high) - float64(s.low))
}
