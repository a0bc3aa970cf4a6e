package fleet

import (
	"errors"
	"fmt"
	"strings"
)

// Refusals, for errors.Is.
var (
	// ErrInterrupted is why a target fails on which a migration outside of a transaction has begun and not ended.
	ErrInterrupted = errors.New("stratum: the migration was interrupted and is no transaction, so that a part of it " +
		"may be there (look at what it left, such as an invalid index, drop that, and run with Rerun)")
	// ErrCanary is why a run ends after its canary has failed, or has not been found.
	ErrCanary = errors.New("stratum: the canary failed, nothing else was begun")
	// ErrStopped is why a run with StopOnError ends after a target has failed.
	ErrStopped = errors.New("stratum: stopped at the first target that failed")
	// ErrDown is why a target fails that is past the wanted version.
	ErrDown = errors.New("stratum: the target is past that version, and a fleet only goes up " +
		"(write a migration that takes the change back)")
	// ErrOutOfOrder is why a target fails which lacks a version older than its newest.
	ErrOutOfOrder = errors.New("stratum: an older migration is missing on the target " +
		"(give it a newer version, or allow OutOfOrder)")
	// ErrTransaction refuses a migration that would end the transaction it runs in.
	ErrTransaction = errors.New("stratum: the migration ends its own transaction " +
		"(leave that out, or begin the file with -- +goose NO TRANSACTION)")
	// ErrOutside is why a target fails whose migration changes tables outside of its schema.
	ErrOutside = errors.New("stratum: the migration changes tables outside of the schema " +
		"(create what is missing in the schema, or allow Outside)")
	// ErrNoLedger is why a target fails in whose database stratum.ledger is missing.
	ErrNoLedger = errors.New("stratum: the database has no table stratum.ledger (migrate Stratum's schema in it first)")

	errNoID      = errors.New("stratum: a target has no name (set Target.ID)")
	errNoPlace   = errors.New("stratum: a target has no place (set Target.Schema and Target.Database)")
	errNoTargets = errors.New("stratum: a fleet has no targets (set Options.Targets)")
	errNoSources = errors.New("stratum: a fleet has nothing to run (set Options.Sources)")
	errNegative  = errors.New("stratum: a fleet's bounds are negative (leave them out for the defaults)")
	errNoCanary  = errors.New("stratum: the canary is not among the fleet's targets (name it by its ID)")
	errBusy      = errors.New("stratum: another run is at work on the target")
	// errNotReached is tried again, unless the server says that it will not let the owner in.
	errNotReached = errors.New("stratum: its database cannot be reached (look at the server, and at the login of the " +
		"owner)")
	errNotPgx   = errors.New("stratum: the owner's connection is not pgx's")
	errSameName = errors.New("stratum: two sources of a fleet have the same name (name them apart)")
)

// TargetError is why one target failed. Its text has the server's message but no values of rows.
type TargetError struct {
	// Target is the ID of the target.
	Target string
	// Source is the name of the source, "" where the target could not be reached.
	Source string
	// Version is the migration that failed, "" where none had begun.
	Version string
	// Err is the cause: errors.As finds the *pgconn.PgError in it.
	Err error
}

// Error names target, migration and cause.
func (e *TargetError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stratum: target %q", e.Target)
	if e.Source != "" {
		b.WriteString(", " + e.Source)
	}
	if e.Version != "" {
		b.WriteString(", " + e.Version)
	}
	b.WriteString(": " + message(e.Err))
	return b.String()
}

// Unwrap gives the cause.
func (e *TargetError) Unwrap() error { return e.Err }

// Error is what Run returns where targets have failed.
type Error struct {
	// Failed is how many targets failed.
	Failed int
	// Failures are the first of them, a hundred at most.
	Failures []*TargetError
	// Stopped is why the run ended before all targets had been looked at: ErrCanary, ErrStopped, or nil.
	Stopped error
}

const shownFailures = 3

// Error counts the failures and shows the first three.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Stopped != nil {
		b.WriteString(e.Stopped.Error() + ": ")
	}
	fmt.Fprintf(&b, "stratum: targets that failed: %d (run again when the cause is gone: only what is left is run)",
		e.Failed)
	for i, f := range e.Failures {
		if i == shownFailures {
			b.WriteString("\n\t...")
			break
		}
		b.WriteString("\n\t" + f.Error())
	}
	return b.String()
}

// Unwrap gives Stopped and every failure that is kept.
func (e *Error) Unwrap() []error {
	errs := make([]error, 0, len(e.Failures)+1)
	if e.Stopped != nil {
		errs = append(errs, e.Stopped)
	}
	for _, f := range e.Failures {
		errs = append(errs, f)
	}
	return errs
}
