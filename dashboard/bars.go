package dashboard

import (
	"fmt"
	"strconv"
)

// A bar is a column of a drawing: its parts stand on one another.
type bar struct {
	name, title, to string
	parts           []int64
}

const barsHeight = 150

// barTop is the largest column, rounded up to a figure of one digit and zeros, so that three labels are round.
func barTop(bars []bar) int64 {
	top := int64(1)
	for _, b := range bars {
		total := int64(0)
		for _, part := range b.parts {
			total += part
		}
		top = max(top, total)
	}
	step := int64(1)
	for step*10 < top {
		step *= 10
	}
	return max(2, (top+step-1)/step*step)
}

// rect is where a part of column i of n is drawn: places across are in per cent, the others in pixels.
func rect(i, n int, below, part, top int64) (x, width, y, height string) {
	wide := 100 / float64(n)
	high := float64(part) / float64(top) * barsHeight
	base := barsHeight - float64(below)/float64(top)*barsHeight
	return fmt.Sprintf("%.2f%%", wide*(float64(i)+.15)), fmt.Sprintf("%.2f%%", wide*.7), fmt.Sprintf("%.1f", base-high), fmt.Sprintf("%.1f", high)
}

// middle is the middle of a column across, in per cent.
func middle(i, n int) string { return fmt.Sprintf("%.2f%%", 100/float64(n)*(float64(i)+.5)) }

// isNamed tells which columns have their name below: about six of them.
func isNamed(i, n int) bool { return n <= 7 || i%((n+5)/6) == 0 }

func below(parts []int64, i int) (sum int64) {
	for _, part := range parts[:i] {
		sum += part
	}
	return sum
}

func itoa(n int) string { return strconv.Itoa(n) }
