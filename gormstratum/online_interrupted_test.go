package gormstratum_test

import (
	"context"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/gormstratum"
)

var errStop = errors.New("stopped by the test")

// stopper is a Progress that lets one statement, or one batch of rows, through and stops before the next.
func stopper(let int) (progress func(gormstratum.AdoptEvent) error, stopped *bool) {
	seen, stopped := 0, new(bool)
	return func(e gormstratum.AdoptEvent) error {
		// Reading the keys is no change.
		if e.Done || e.Step == gormstratum.AdoptPlain {
			return nil
		}
		if seen++; seen > let {
			*stopped = true
			return errStop
		}
		return nil
	}, stopped
}

// onward calls move until it is through, and expects each interruption to leave what the next call can go on from.
func onward(t *testing.T, let int, move func(options gormstratum.AdoptOptions) error) (calls int) {
	t.Helper()
	for {
		calls++
		require.Less(t, calls, 1000)
		options := crmKeys()
		options.Batch = 20
		progress, stopped := stopper(let)
		options.Progress = progress
		err := move(options)
		if !*stopped {
			require.NoError(t, err)
			return calls
		}
		require.ErrorIs(t, err, errStop)
	}
}

// adoptEverywhere has adoption stopped between any two statements: minutes of work.
var adoptEverywhere = flag.Bool("adopt.everywhere", false, "stop adoption and ejection at every statement, not at some")

// Stopped between any two statements, forth and back, it ends where it ends without a stop.
func TestAdoptStoppedAnywhere(t *testing.T) {
	t.Parallel()
	forth, back := 7, 8 // statements from stop to stop: no divisors of each other, nor of what a table takes
	if *adoptEverywhere {
		forth, back = 1, 2
	}
	whole := newBusiness(t, 3, 50)
	before := whole.catalog(t)
	whole.adopt(t, gormstratum.AdoptSealed)

	b := newBusiness(t, 3, 50)
	calls := onward(t, forth, func(options gormstratum.AdoptOptions) error {
		options.To = gormstratum.AdoptSealed
		return gormstratum.Adopt(t.Context(), b.db, options)
	})
	require.Greater(t, calls, 80/forth)
	require.Equal(t, whole.catalog(t), b.catalog(t))
	require.Zero(t, b.misplaced(t))
	calls = onward(t, back, func(options gormstratum.AdoptOptions) error { return gormstratum.Eject(t.Context(), b.db, options) })
	require.Greater(t, calls, 80/back)
	require.Equal(t, before, b.catalog(t))
}

// Whatever was reached, the way back leads to where it began.
func TestEjectFromAnywhere(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 50)
	b.logDDL(t)
	before := b.catalog(t)
	for _, step := range steps() {
		b.adopt(t, step)
		b.eject(t, gormstratum.AdoptPlain)
		require.Equal(t, before, b.catalog(t), step)
		b.plainIsSettled(t)
	}
	// From the middle of each step, too.
	stride := 45
	if *adoptEverywhere {
		stride = 5
	}
	for stops := 10; stops < 160; stops += stride {
		options := crmKeys()
		options.To, options.Batch = gormstratum.AdoptSealed, 20
		left := stops
		options.Progress = func(gormstratum.AdoptEvent) error {
			if left--; left < 0 {
				return errStop
			}
			return nil
		}
		require.ErrorIs(t, gormstratum.Adopt(t.Context(), b.db, options), errStop)
		b.eject(t, gormstratum.AdoptPlain)
		require.Equal(t, before, b.catalog(t), stops)
	}
}

// Killed by the server in the middle, it says so, and the next call goes on.
func TestAdoptKilled(t *testing.T) {
	t.Parallel()
	whole := newBusiness(t, 3, 50)
	whole.adopt(t, gormstratum.AdoptSealed)

	b := newBusiness(t, 3, 50)
	b, options := b.labelled(t)
	options.To = gormstratum.AdoptSealed
	kills := 0
	for after := 1; ; after += 5 {
		left, killed := after, false
		options.Progress = func(e gormstratum.AdoptEvent) error {
			if left--; left <= 0 && !e.Done && !killed {
				kills, killed = kills+1, true
				b.kill(t)
			}
			return nil
		}
		if err := gormstratum.Adopt(t.Context(), b.db, options); err == nil {
			break
		}
	}
	require.GreaterOrEqual(t, kills, 5)
	require.Equal(t, whole.catalog(t), b.catalog(t))
	require.Zero(t, b.misplaced(t))
}

// kill ends the adoption's connections.
func (b business) kill(t *testing.T) {
	t.Helper()
	b.texts(t, "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE application_name = 'adoption' "+
		"AND datname = current_database()")
}

// An index whose build was interrupted is there, invalid, and in everybody's way. It is built anew.
func TestAdoptInterruptedIndex(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 50)
	b, options := b.labelled(t)
	options.To = gormstratum.AdoptFilled
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))

	// A transaction that has read the table stops the build when the index is already there.
	reader, err := pgx.Connect(t.Context(), b.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close(context.WithoutCancel(t.Context()))) }()
	tx, err := reader.Begin(t.Context())
	require.NoError(t, err)
	options.To = gormstratum.AdoptValidated
	options.Progress = func(e gormstratum.AdoptEvent) error {
		if strings.Contains(e.Statement, `CONCURRENTLY "invoices_stratum_key"`) && !e.Done {
			_, err := tx.Exec(t.Context(), "LOCK TABLE invoices IN ROW EXCLUSIVE MODE")
			return err
		}
		return nil
	}
	adopted := make(chan error, 1)
	go func() { adopted <- gormstratum.Adopt(t.Context(), b.db, options) }()
	invalid := "SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid = 'invoices'::regclass"
	b.eventually(t, invalid)
	b.kill(t)
	require.Error(t, <-adopted)
	require.Equal(t, int64(1), b.value(t, invalid))
	require.NoError(t, tx.Rollback(t.Context()))

	options.Progress = nil
	require.NoError(t, gormstratum.Adopt(t.Context(), b.db, options))
	require.Zero(t, b.value(t, invalid))
	b.adopt(t, gormstratum.AdoptSealed)
}
