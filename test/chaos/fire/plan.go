package fire

import (
	"context"
	"time"

	"tributary/internal/embedded"
)

// Plans lists the plans by name.
func Plans() map[string]Plan {
	return map[string]Plan{
		"mixed":    mixed,
		"none":     none,
		"disk":     disk,
		"drill":    drill,
		"fsync":    fsync,
		"outage":   outage,
		"overload": overload,
		"slow":     slow,
	}
}

// none lets everything run as it should.
func none(ctx context.Context, r *Run) error {
	pause(ctx, r.Config.For)
	return ctx.Err()
}

// mixed does what Schedule says, when it says so.
func mixed(ctx context.Context, r *Run) error {
	began := time.Now()
	for _, a := range Schedule(r.Config.Seed, r.Config.For) {
		pause(ctx, time.Until(began.Add(a.At)))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Sayf("%s", a)
		if err := r.do(ctx, a); err != nil {
			return err
		}
	}
	pause(ctx, time.Until(began.Add(r.Config.For)))
	return ctx.Err()
}

// do does one action; it does not wait for what follows from it.
func (r *Run) do(ctx context.Context, a Action) error {
	if a.Do == Verify {
		go r.verifyUnderFire(ctx)
		return nil
	}
	for _, target := range a.Targets {
		switch a.Do {
		case KillProcess:
			r.Net.Process(target).Kill()
		case Freeze:
			r.Net.Process(target).Freeze(a.For)
		case KillServer:
			if err := r.Net.Crash(ctx, embedded.Engine(target)); err != nil {
				return err
			}
		case Swallow:
			p := r.Net.Proxies[embedded.Engine(target)]
			p.Swallow(a.Chance)
			time.AfterFunc(a.For, func() { p.Swallow(0) })
		case Verify: // it has no target
		}
	}
	return nil
}

// verifyUnderFire runs the program's verification, which must not take work under way for damage. Servers may die under
// it: it has then found nothing.
func (r *Run) verifyUnderFire(ctx context.Context) {
	found, err := r.Net.verify(ctx, true)
	if err != nil {
		return
	}
	r.Counts.verified()
	for _, f := range found {
		r.Findf("verify under fire", "%s", f.What)
	}
}
