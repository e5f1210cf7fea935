package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tributary/commission"
	"tributary/internal/position"
)

// ruling says what to do about an error.
type ruling int

const (
	// again: it has nothing to do with the record. Run the same once more, however often.
	again ruling = iota
	// failed: the record's own doing. It is retried a few times, alone, and then becomes a dead letter.
	failed
	// leave: the partition is not this process's to work on any more, or is halted.
	leave
)

// recordError is a failure that the record itself causes, found by the engine and not by the database.
type recordError struct{ cause error }

func (e *recordError) Error() string { return e.cause.Error() }
func (e *recordError) Unwrap() error { return e.cause }

// errBehind says that the database's position is before what was fetched: it was restored, or set back by an operator.
var errBehind = errors.New("the position is before what was fetched")

// verdict judges an error of a transaction. Only what the data cause counts against a record: values out of range (22),
// violated constraints (23), limits of a row (54), and what the engine itself found. A missing table, a missing right or
// a full disk is nobody's order's fault.
func verdict(err error) ruling {
	var own *recordError
	var newer *commission.NewerError // another engine may know it; this one may not even count it against the record
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, position.ErrLost), errors.Is(err, position.ErrHalted), errors.Is(err, context.Canceled), position.IsGap(err), errors.Is(err, errBehind), errors.As(err, &newer):
		return leave
	case errors.As(err, &own):
		return failed
	case errors.As(err, &pg) && len(pg.Code) == 5:
		switch pg.Code[:2] {
		case "22", "23", "54":
			return failed
		}
	}
	return again
}

// guard runs work and turns a panic into an error against the record.
func guard(work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &recordError{fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
		}
	}()
	return work()
}

// backoff is a pause that doubles, from 20 ms to 5 s, each with up to half of it at random.
type backoff struct {
	next  time.Duration
	quiet bool
}

const (
	firstPause = 20 * time.Millisecond
	lastPause  = 5 * time.Second
)

func newBackoff() *backoff { return &backoff{next: firstPause} }

// sleep waits, or returns when ctx ends.
func (b *backoff) sleep(ctx context.Context) {
	pause := b.next/2 + rand.N(b.next/2+1) //nolint:gosec // nobody gains by foreseeing it
	b.next = min(2*b.next, lastPause)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// warn logs the first error of a row of them. A single one that the next try overcomes is not worth a line.
func (b *backoff) warn(log *slog.Logger, what string, err error) {
	if b.quiet || b.next == firstPause {
		return
	}
	b.quiet = true
	log.Warn(what+"; trying again", "error", err)
}

// over notes that it works again.
func (b *backoff) over(log *slog.Logger, what string) {
	if b.quiet {
		log.Info(what)
	}
	*b = *newBackoff()
}
