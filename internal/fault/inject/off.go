//go:build !failpoints

package inject

// Enabled tells whether this build acts on failpoints.
const Enabled = false

// Reach does nothing in this build.
func Reach(Point) {}
