//go:build !failpoints

package inject_test

import (
	"testing"

	"tributary/internal/fault/inject"
)

// A build for production has no failpoints; that they are inlined to nothing is for the compiler.
func TestANormalBuildHasNone(t *testing.T) {
	t.Parallel()
	if inject.Enabled {
		t.Error("failpoints are in this build")
	}
}
