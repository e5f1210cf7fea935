package audit

import (
	"context"
	_ "embed"
)

//go:embed query/manual_lines.sql
var manualLines string

// ofManualLines compares what manual lines say with what was posted for them: each line that an engine took moved its amount once,
// between the accounts of its payer and its partner, and nothing else was. A line above what one person may enter needs the
// approval of another.
func (v *Verification) ofManualLines(ctx context.Context) error {
	return v.Rows(ctx, "manual lines are posted", Broken, manualLines, v.Limit)
}
