package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// clock tells the time, and does not wait but calls back.
type clock struct {
	sleep func(d time.Duration)
}

func (clock) Now() time.Time { return time.Now() }

func (c clock) Sleep(ctx context.Context, d time.Duration) error {
	if c.sleep != nil {
		c.sleep(d)
	}
	return ctx.Err()
}

// A table in use is waited for, for a moment at a time, and the target tried again.
func TestLockTimeout(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 3, 1)
	conn, err := pgx.Connect(t.Context(), h.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), "BEGIN; SELECT FROM t_2.ship_1").ReadAll()
	require.NoError(t, err)
	opts := fleet.Options{LockTimeout: 20 * time.Millisecond, Retries: 2, Clock: clock{}}
	report, err := h.run(t, opts, source(t, addColumn()))
	require.ErrorContains(t, err, "SQLSTATE 55P03")
	require.Equal(t, map[string]int{"55P03": 1}, report.Causes)
	require.Equal(t, 2, report.Retries)
	require.Equal(t, 2, report.Done)
	pauses := 0
	opts.Clock = clock{sleep: func(time.Duration) {
		if pauses++; pauses == 2 {
			_, err := conn.PgConn().Exec(t.Context(), "ROLLBACK").ReadAll()
			require.NoError(t, err)
		}
	}}
	report, err = h.run(t, opts, source(t, addColumn()))
	require.NoError(t, err)
	require.Equal(t, 1, report.Done)
	require.Equal(t, 2, report.Retries)
}

// A connection that breaks is replaced, and what it had done is not done again.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 30, 1)
	var once sync.Once
	opts := fleet.Options{PerServer: 1, Clock: clock{}, Progress: func(p fleet.Progress) {
		if p.Ended() == 10 {
			once.Do(func() {
				_ = value[int](t, h.AdminDSN, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND "+
					"pid <> pg_backend_pid()", h.Name)
			})
		}
	}}
	report, err := h.run(t, opts, source(t, addColumn()))
	require.NoError(t, err)
	require.Equal(t, 30, report.Done)
	require.Equal(t, 30, h.columns(t, "ship_1", "a"))
}

// Nobody else is begun before the canary is through, nor after it has failed.
func TestCanary(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 10, 1)
	shared := h.target("public")
	shared.Kind = fleet.KindShared
	h.exec(t, "CREATE TABLE public.ship_1 (); DROP TABLE t_1.ship_1; DROP TABLE t_4.ship_1")
	all := []fleet.Target{shared}
	for _, s := range h.schemas {
		all = append(all, h.target(s))
	}
	opts := fleet.Options{Targets: list(all...)}
	report, err := h.run(t, opts, source(t, addColumn()))
	require.ErrorIs(t, err, fleet.ErrCanary)
	require.ErrorIs(t, err, fleet.ErrOutside)
	require.Equal(t, 1, report.Targets)

	opts.Canary.Target = "home/t_4"
	report, err = h.run(t, opts, source(t, addColumn()))
	require.ErrorIs(t, err, fleet.ErrCanary)
	require.Equal(t, 1, report.Targets)
	require.Equal(t, "home/t_4", report.Failures[0].Target)

	opts.Canary.Target = "home/t_99"
	_, err = h.run(t, opts, source(t, addColumn()))
	require.ErrorContains(t, err, "is not among")

	var alone []string
	opts.Canary = fleet.Canary{Count: 3}
	h.exec(t, "CREATE TABLE t_1.ship_1 ()")
	opts.Progress = func(p fleet.Progress) {
		if p.Ended() < 3 {
			require.LessOrEqual(t, len(p.Current), 1)
			alone = append(alone, p.Current...)
		}
	}
	opts.PerServer = 4
	report, err = h.run(t, opts, source(t, addColumn()))
	require.NotErrorIs(t, err, fleet.ErrCanary)
	require.Equal(t, 1, report.Failed)
	require.Equal(t, 10, report.Done)
	require.Equal(t, []string{"home/t_1", "home/t_2", "home/t_3"}, slices.Compact(alone))
}

func TestStopOnError(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 200, 1)
	h.exec(t, "DROP TABLE t_3.ship_1")
	report, err := h.run(t, fleet.Options{StopOnError: true, PerServer: 1}, source(t, addColumn()))
	require.ErrorIs(t, err, fleet.ErrStopped)
	require.Equal(t, 1, report.Failed)
	require.Less(t, report.Done, 100)
	require.Equal(t, report.Done, h.columns(t, "ship_1", "a"))
}

// Targets of several databases and servers run beside each other, on each server as many as it may bear.
func TestServers(t *testing.T) {
	t.Parallel()
	var all []fleet.Target
	var names []string
	for i := range 4 {
		db := stratumtest.NewDatabase(t)
		conn, err := pgx.Connect(t.Context(), db.OwnerDSN)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "CREATE TABLE ship_1 ()")
		require.NoError(t, err)
		require.NoError(t, conn.Close(t.Context()))
		names = append(names, db.OwnerDSN)
		all = append(all, fleet.Target{
			ID: fmt.Sprint("db", i), Server: fmt.Sprint("server", i%2), Kind: fleet.KindDatabase, Schema: "public",
			Database: database(fmt.Sprint("db", i), db.OwnerDSN),
		})
	}
	// What comes twice is done once.
	all = append(all, all...)
	report, err := fleet.Run(t.Context(), fleet.Options{
		Targets: list(all...), PerServer: 1, Sources: []fleet.Source{source(t, addColumn())},
		Progress: func(p fleet.Progress) { require.LessOrEqual(t, len(p.Current), 2) },
	})
	require.NoError(t, err)
	require.Equal(t, 4, report.Targets)
	require.Equal(t, 4, report.Done)
	for _, dsn := range names {
		require.Equal(t, 1, value[int](t, dsn, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'ship_1'::regclass AND attname = 'a'"))
	}
}

// Several runs at once do each target once: the migration could be repeated without an error.
func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 60, 1)
	texts := map[string]string{
		"00001_a.sql": up("CREATE TABLE log (n int);"), "00002_b.sql": up("INSERT INTO log VALUES (2);"),
		"00003_c.sql": up("SELECT pg_sleep(0.001);\nINSERT INTO log VALUES (3);"),
		"00004_d.sql": "-- +goose NO TRANSACTION\n" + up("INSERT INTO log VALUES (4);"),
	}
	var g errgroup.Group
	for range 4 {
		s := source(t, texts)
		g.Go(func() error {
			_, err := fleet.Run(t.Context(), fleet.Options{Targets: h.targets(), Sources: []fleet.Source{s}})
			return err
		})
	}
	require.NoError(t, g.Wait())
	for _, schema := range h.schemas {
		require.Equal(t, "2 3 4", value[string](t, h.OwnerDSN, "SELECT string_agg(n::text, ' ' ORDER BY n) FROM "+schema+".log"), schema)
		require.Equal(t, 5, value[int](t, h.OwnerDSN, "SELECT count(*) FROM "+schema+".goose_db_version"))
	}
}

// A target that somebody else has done between the look at its ledger and its turn is not done twice.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 4, 1)
	texts := map[string]string{"00001_a.sql": up("CREATE TABLE log (n int);")}
	_, err := h.run(t, fleet.Options{}, source(t, texts))
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), h.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), "BEGIN; LOCK TABLE t_1.log IN SHARE MODE").ReadAll()
	require.NoError(t, err)

	texts["00002_b.sql"] = up("INSERT INTO log VALUES (2);")
	ran := make(chan error, 1)
	s := source(t, texts)
	go func() {
		_, err := fleet.Run(t.Context(), fleet.Options{
			Targets: h.targets(), Sources: []fleet.Source{s}, PerServer: 1, LockTimeout: time.Minute,
			Canary: fleet.Canary{None: true},
		})
		ran <- err
	}()
	require.Eventually(t, func() bool {
		return value[int](t, h.AdminDSN, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'",
			h.Name) == 1
	}, 30*time.Second, 5*time.Millisecond)
	for _, schema := range h.schemas[1:] {
		h.exec(t, fmt.Sprintf("INSERT INTO %[1]s.log VALUES (2); INSERT INTO %[1]s.goose_db_version (version_id, is_applied) "+
			"VALUES (2, true)", schema))
	}
	_, err = conn.PgConn().Exec(t.Context(), "COMMIT").ReadAll()
	require.NoError(t, err)
	require.NoError(t, <-ran)
	for _, schema := range h.schemas {
		require.Equal(t, 1, value[int](t, h.OwnerDSN, "SELECT count(*) FROM "+schema+".log"), schema)
		require.Equal(t, 3, value[int](t, h.OwnerDSN, "SELECT count(*) FROM "+schema+".goose_db_version"), schema)
	}
}

// A run does not grow with its fleet, but for 16 bytes or so for each target.
//
//nolint:paralleltest // others would have a share in the memory that it measures
func TestMemory(t *testing.T) {
	h := newHarbour(t, 1, 1)
	const targets = 30_000
	var first, last runtime.MemStats
	many := func(yield func(fleet.Target, error) bool) {
		for i := range targets {
			target := h.target("t_1")
			target.ID = fmt.Sprintf("somewhere/with-a-name-that-takes-its-place/%d", i)
			if i == targets/10 || i == targets-1 {
				runtime.GC()
				runtime.ReadMemStats(map[bool]*runtime.MemStats{true: &first, false: &last}[i == targets/10])
			}
			if !yield(target, nil) {
				return
			}
		}
	}
	report, err := h.run(t, fleet.Options{Targets: many}, source(t, addColumn()))
	require.NoError(t, err)
	require.Equal(t, 1, report.Done)
	require.Equal(t, targets-1, report.Skipped)
	grown := int64(last.HeapAlloc) - int64(first.HeapAlloc)
	t.Logf("%d targets in %s: the heap grew by %d bytes for each", targets, report.Took, grown/targets)
	require.Less(t, grown, int64(targets*150))
}

// Options that make no sense are refused before anything is done, and what goes wrong with the list ends the run.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 1, 1)
	s := source(t, addColumn())
	errList := errors.New("no list")
	for name, opts := range map[string]fleet.Options{
		"has no targets":        {Sources: []fleet.Source{s}},
		"has nothing to run":    {Targets: h.targets()},
		"bounds are negative":   {Targets: h.targets(), Sources: []fleet.Source{s}, PerServer: -1},
		"have the same name":    {Targets: h.targets(), Sources: []fleet.Source{s, s}},
		"a target has no name":  {Targets: list(fleet.Target{Kind: fleet.KindSchema}), Sources: []fleet.Source{s}},
		"a target has no place": {Targets: list(fleet.Target{ID: "x"}), Sources: []fleet.Source{s}},
		errList.Error():         {Targets: iter.Seq2[fleet.Target, error](func(yield func(fleet.Target, error) bool) { yield(fleet.Target{}, errList) }), Sources: []fleet.Source{s}},
	} {
		_, err := fleet.Run(t.Context(), opts)
		require.ErrorContains(t, err, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := fleet.Run(ctx, fleet.Options{Targets: h.targets(), Sources: []fleet.Source{s}})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, h.columns(t, "ship_1", "a"))
}

// Errors say what is wrong without values of rows and without who connects where.
func TestErrorsAreDiscreet(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 3, 1)
	h.exec(t, "INSERT INTO t_1.ship_1 (name) VALUES ('Secret Lady'); INSERT INTO t_2.ship_1 (name) VALUES ('Secret'), ('Secret')")
	nowhere := h.target("t_3")
	nowhere.Database = database("nowhere", "postgres://spy:hunter2@127.0.0.1:1/vault")
	report, err := h.run(t, fleet.Options{
		Targets: list(h.target("t_1"), h.target("t_2"), nowhere), Canary: fleet.Canary{None: true}, Retries: -1,
	}, source(t, map[string]string{"00001_a.sql": up("CREATE UNIQUE INDEX u ON ship_1 (name);\nALTER TABLE ship_1 ALTER name DROP DEFAULT, ALTER name TYPE int USING name::int;")}))
	require.Equal(t, 3, report.Failed)
	require.ErrorContains(t, err, `invalid input syntax for type integer: "..." (SQLSTATE 22P02)`)
	require.ErrorContains(t, err, `could not create unique index "u" (SQLSTATE 23505)`)
	require.ErrorContains(t, err, "its database cannot be reached")
	var connect *pgconn.ConnectError
	for _, failure := range report.Failures {
		require.NotErrorAs(t, failure, &connect, "it has the password in it")
	}
	for _, secret := range []string{"Secret", "spy", "hunter2", "vault", "127.0.0.1"} {
		require.NotContains(t, err.Error(), secret)
	}
	var pgErr *pgconn.PgError
	require.ErrorAs(t, err, &pgErr)
}

// A dry run lists what is pending, touches nothing, and waits for nobody.
func TestDryRun(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 3, 1)
	_, err := h.run(t, fleet.Options{Targets: list(h.target("t_1"))}, source(t, everything(), fleet.GooseOptions{To: 2}))
	require.NoError(t, err)
	told := 0
	opts := fleet.Options{DryRun: true, Plans: func(fleet.Plan) { told++ }}
	report, err := h.run(t, opts, source(t, everything(), fleet.GooseOptions{Migrations: functions()}))
	require.NoError(t, err)
	require.Equal(t, 3, report.Done)
	require.Equal(t, 3, told)
	plans := map[string]fleet.Plan{}
	for _, p := range report.Plans {
		plans[p.Target] = p
	}
	require.Len(t, plans["home/t_1"].Steps, 7)
	require.Len(t, plans["home/t_2"].Steps, 9)
	require.Equal(t, fleet.Step{Version: "00004_alone.sql", NoTransaction: true, Statements: []string{
		"CREATE INDEX CONCURRENTLY cargo_id ON cargo (id);", "CREATE INDEX CONCURRENTLY cargo_x ON cargo (x);",
	}}, plans["home/t_2"].Steps[3])
	require.True(t, plans["home/t_2"].Steps[4].Go)
	require.Zero(t, value[int](t, h.OwnerDSN, "SELECT count(*) FROM pg_class WHERE relname = 'goose_db_version' AND relnamespace = 't_2'::regnamespace"))
}
