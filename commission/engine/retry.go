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
	"tributary/commission/ledger"
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
type recordError struct {
	cause error
	// certain says that it was found by what depends on facts and terms alone, so that no further try can end otherwise.
	certain bool
	// stack is where a panic happened.
	stack []byte
}

func (e *recordError) Error() string { return e.cause.Error() }
func (e *recordError) Unwrap() error { return e.cause }

// isCertain reports whether a record would fail in the same way however often it is tried.
func isCertain(err error) bool {
	own, is := errors.AsType[*recordError](err)
	_, unbookable := errors.AsType[*ledger.PostingError](err)
	return unbookable || is && own.certain
}

// inWords says what is wrong with a record that is set aside, and how to fix it.
func inWords(cause error) string {
	fix := "Correct its bytes with tributary deadletters edit and retry it, or discard it with a note."
	switch {
	case errors.Is(cause, errTaken):
		fix = "Stop one of the two; then run tributary deadletters retry."
	case isCertain(cause):
		fix = "Correct the terms that it falls under, or run a version that can decide and book it; then run tributary deadletters retry."
	case verdict(cause) == failed:
		fix = "Correct what the message names, or run a version with the fix; then run tributary deadletters retry."
	}
	return cause.Error() + ". " + fix
}

// errBehind says that the database's position is before what was fetched: it was restored, or set back by an operator.
var errBehind = errors.New("the position is before what was fetched")

// verdict judges an error of a transaction. Only what the data cause counts against a record: values out of range (22),
// violated constraints (23), limits of a row (54), and what the engine itself found. A missing table, a missing right or
// a full disk is nobody's order's fault.
func verdict(err error) ruling {
	var own *recordError
	var unbookable *ledger.PostingError
	var newer *commission.NewerError // another engine may know it; this one may not even count it against the record
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, position.ErrLost), errors.Is(err, position.ErrHalted), errors.Is(err, context.Canceled), position.IsGap(err), errors.Is(err, errBehind), errors.As(err, &newer):
		return leave
	case errors.As(err, &own), errors.As(err, &unbookable):
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
			err = &recordError{cause: fmt.Errorf("panic: %v", r), stack: debug.Stack()}
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
