package migrations

import (
	"context"
	"fmt"

	"tributary/internal/doctor"
)

// Examine compares a database's version with this binary's. It gives false where the version cannot be read.
func Examine(ctx context.Context, r *doctor.Report, area, url string, read func(context.Context, string) (Version, error)) (current, ok bool) {
	v, err := read(ctx, url)
	switch {
	case err != nil:
		r.Add(area, doctor.Wrong, doctor.Problem(err), "run tributary migrate, and log in as the operator")
		return false, false
	case v.Current < v.Wanted:
		r.Add(area, doctor.Wrong, fmt.Sprintf("its schema is version %d, and this binary works with %d", v.Current, v.Wanted), "run tributary migrate")
	case v.Current > v.Wanted:
		r.Add(area, doctor.Wrong, fmt.Sprintf("its schema is version %d, and this binary is older: it works with %d", v.Current, v.Wanted), "use the newer binary")
	default:
		r.Add(area, doctor.OK, fmt.Sprintf("its schema is version %d, as this binary wants", v.Current), "")
	}
	return v.Current == v.Wanted, true
}
