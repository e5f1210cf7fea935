package embedded

import (
	"context"

	"tributary/internal/doctor"
)

// Examine looks whether this machine has what the engines of cfg need, and whether what is installed is unchanged.
func Examine(ctx context.Context, r *doctor.Report, cfg Config) {
	const area = "embedded engines"
	if !cfg.Postgres && !cfg.ClickHouse {
		return
	}
	if err := Preflight(ctx, cfg); err != nil {
		r.Add(area, doctor.Wrong, doctor.Problem(err), "correct that, or set the addresses of servers of your own")
		return
	}
	if err := VerifyPackages(ctx, cfg); err != nil {
		r.Add(area, doctor.Wrong, doctor.Problem(err), "remove that folder, which the next start installs again, and find out who changed it")
		return
	}
	r.Add(area, doctor.OK, "this machine has what they need, and what is installed is unchanged", "")
}
