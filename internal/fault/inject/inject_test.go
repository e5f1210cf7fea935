package inject_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tributary/internal/fault/inject"
)

// Each constant is in the list, so the harness does not pass over one.
func TestThePointsAreListed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("point.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []inject.Point
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ +Point = "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		declared = append(declared, inject.Point(m[1]))
	}
	listed := inject.Points()
	if !slices.Equal(declared, listed) {
		t.Errorf("declared %v, listed %v", declared, listed)
	}
	if len(listed) < 20 {
		t.Errorf("%d points, want 20 or more", len(listed))
	}
	for _, p := range listed {
		if stage, place, ok := strings.Cut(string(p), "/"); !ok || stage == "" || place == "" {
			t.Errorf("%q is not of the form stage/place", p)
		}
	}
}
