package audit

import (
	"context"

	"tributary/commission/ledger/chart"
)

// Source checks all postings of one source against the rows that they follow from: that none is missing, none is too much,
// and each is what it should be. What it finds it takes down with v.Find and its like.
type Source func(ctx context.Context, v *Verification) error

// Sources are the checks of the sources that post. Whoever adds a source adds its check.
func Sources() map[chart.Source]Source {
	return map[chart.Source]Source{
		chart.OfOrder:   func(ctx context.Context, v *Verification) error { return v.ofOrders(ctx) },
		chart.OfPeriod:  func(ctx context.Context, v *Verification) error { return v.ofPeriods(ctx) },
		chart.OfJournal: func(ctx context.Context, v *Verification) error { return v.ofManualLines(ctx) },
	}
}

// sources runs the check of each source. A posting of a source that has none is a finding.
func (v *Verification) sources(ctx context.Context) error {
	checked := make([]int16, 0, len(v.Sources))
	for _, s := range chart.Sources() {
		check, ok := v.Sources[s.Source]
		if !ok {
			continue
		}
		checked = append(checked, int16(s.Source))
		if err := check(ctx, v); err != nil {
			return err
		}
	}
	return v.Rows(ctx, "every posting has a check", Broken, `
SELECT 'posting', format('(%s, %s, %s, %s)', source, source_no, version, n), 'source', 'a source whose postings are checked', source::text
  FROM posting WHERE source <> ALL ($1::smallint[]) LIMIT $2`, checked, v.Limit)
}
