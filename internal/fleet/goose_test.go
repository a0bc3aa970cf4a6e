package fleet_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/fleet"
)

// run runs migrations on the harbour.
func (h harbour) run(t *testing.T, opts fleet.Options, sources ...fleet.Source) (fleet.Report, error) {
	t.Helper()
	opts.Sources = sources
	if opts.Targets == nil {
		opts.Targets = h.targets()
	}
	return fleet.Run(t.Context(), opts)
}

// everything is one of each kind that goose knows.
func everything() map[string]string {
	return map[string]string{
		"00001_plain.sql": up("CREATE TABLE cargo (id int, note text DEFAULT 'a;b'); -- no ; end\nALTER TABLE cargo ADD COLUMN x int;"),
		"00002_block.sql": up("-- +goose StatementBegin\nCREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n" +
			"    PERFORM 1;\n    RETURN 2;\nEND $$\n-- a comment\n-- +goose StatementEnd\nINSERT INTO cargo (id) SELECT two();"),
		"00003_env.sql": up("-- +goose ENVSUB ON\nINSERT INTO cargo (id, note) VALUES (3, '${FLEET_TEST_UNSET:-unset}');"),
		"00004_alone.sql": "-- +goose NO TRANSACTION\n" + up("CREATE INDEX CONCURRENTLY cargo_id ON cargo (id);\n"+
			"CREATE INDEX CONCURRENTLY cargo_x ON cargo (x);"),
		"00007_set.sql":   up("SET statement_timeout = '77s';\nSET ROLE NONE;\nINSERT INTO cargo (id) VALUES (7);"),
		"00008_empty.sql": up(""),
	}
}

// functions are migrations in Go, one in a transaction, one outside, and one that does nothing.
func functions() []*goose.Migration {
	inTx := func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO cargo (id, note) SELECT 5, current_setting('stratum.owner')")
		return err
	}
	onDB := func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		// A second connection beside the transaction.
		if _, err := db.ExecContext(ctx, "INSERT INTO cargo (id, note) VALUES (6, current_setting('stratum.owner'))"); err != nil {
			return err
		}
		return tx.Commit()
	}
	return []*goose.Migration{
		goose.NewGoMigration(5, &goose.GoFunc{RunTx: inTx}, nil),
		goose.NewGoMigration(6, &goose.GoFunc{RunDB: onDB}, nil),
		goose.NewGoMigration(9, nil, nil),
	}
}

// provider is goose itself on one schema.
func (h harbour) provider(t *testing.T, schema string) *goose.Provider {
	t.Helper()
	config, err := pgx.ParseConfig(h.OwnerDSN)
	require.NoError(t, err)
	config.RuntimeParams["search_path"] = schema
	config.RuntimeParams["stratum.owner"] = "migrate"
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	p, err := goose.NewProvider(goose.DialectPostgres, db, files(everything()), goose.WithGoMigrations(functions()...),
		goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	return p
}

const cargoSQL = "SELECT string_agg(id || ':' || note, ' ' ORDER BY id) FROM "

// What goose would have done is what is done, and goose finds nothing left to do. The other way round too.
func TestGooseAgrees(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 6, 1)
	_, err := h.provider(t, "t_3").Up(t.Context())
	require.NoError(t, err)
	_, err = h.provider(t, "t_4").UpTo(t.Context(), 2)
	require.NoError(t, err)
	report, err := h.run(t, fleet.Options{}, source(t, everything(), fleet.GooseOptions{Migrations: functions()}))
	require.NoError(t, err)
	require.Equal(t, 5, report.Done)
	require.Equal(t, 1, report.Skipped, "what goose has done")
	const want = "2:a;b 3:unset 5:migrate 6:migrate 7:a;b"
	for _, schema := range h.schemas {
		require.Equal(t, want, value[string](t, h.OwnerDSN, cargoSQL+schema+".cargo"), schema)
		pending, err := h.provider(t, schema).HasPending(t.Context())
		require.NoError(t, err)
		require.False(t, pending)
		status, err := h.provider(t, schema).Status(t.Context())
		require.NoError(t, err)
		require.Len(t, status, 9)
		for _, s := range status {
			require.Equal(t, goose.StateApplied, s.State)
		}
	}
	require.Equal(t, 2*len(h.schemas), value[int](t, h.OwnerDSN,
		"SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname LIKE 'cargo%' AND i.indisvalid"))
	require.Zero(t, value[int](t, h.OwnerDSN, "SELECT count(*) FROM stratum.ledger"), "no mark is left")
}

func TestGooseRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a commit": up("CREATE TABLE x (); \nCOMMIT;"), "a begin": up("BEGIN;"), "a rollback": up("ROLLBACK;"),
		"a prepared transaction": up("PREPARE TRANSACTION 'x';"),
	} {
		_, err := fleet.Goose(t.Context(), files(map[string]string{"00001_a.sql": text}), ".", fleet.GooseOptions{})
		require.ErrorIs(t, err, fleet.ErrTransaction, name)
		require.ErrorContains(t, err, "00001_a.sql")
	}
	_, err := fleet.Goose(t.Context(), files(map[string]string{"00001_a.sql": "SELECT 1;"}), ".", fleet.GooseOptions{})
	require.ErrorContains(t, err, "failed to parse 00001_a.sql")
	_, err = fleet.Goose(t.Context(), files(nil), ".", fleet.GooseOptions{})
	require.ErrorIs(t, err, goose.ErrNoMigrations)
}

// Versions go up and in order, unless asked otherwise.
func TestGooseOrder(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 2, 1)
	texts := map[string]string{
		"00001_a.sql": up("ALTER TABLE ship_1 ADD COLUMN a int;"), "00003_c.sql": up("ALTER TABLE ship_1 ADD COLUMN c int;"),
	}
	_, err := h.run(t, fleet.Options{}, source(t, texts, fleet.GooseOptions{To: 1}))
	require.NoError(t, err)
	require.Zero(t, h.columns(t, "ship_1", "c"))
	_, err = h.run(t, fleet.Options{}, source(t, texts))
	require.NoError(t, err)
	_, err = h.run(t, fleet.Options{}, source(t, texts, fleet.GooseOptions{To: 1}))
	require.ErrorIs(t, err, fleet.ErrDown)
	texts["00002_b.sql"] = up("ALTER TABLE ship_1 ADD COLUMN b int;")
	_, err = h.run(t, fleet.Options{Canary: fleet.Canary{None: true}}, source(t, texts))
	require.ErrorIs(t, err, fleet.ErrOutOfOrder)
	require.ErrorContains(t, err, "00002_b.sql")
	_, err = h.run(t, fleet.Options{}, source(t, texts, fleet.GooseOptions{OutOfOrder: true}))
	require.NoError(t, err)
	require.Equal(t, 2, h.columns(t, "ship_1", "b"))
}

// What a migration leaves on the connection, the next target does not find.
func TestGooseLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 5, 1)
	_, err := h.run(t, fleet.Options{PerServer: 1}, source(t, map[string]string{
		"00001_a.sql": up("CREATE TABLE seen AS SELECT current_setting('my.trace', true) AS trace, current_setting('search_path') AS path;\n" +
			"SELECT set_config('my.trace', 'left', false), set_config('search_path', '', false);\nCREATE TEMP TABLE draft ();"),
	}))
	require.NoError(t, err)
	for _, schema := range h.schemas {
		require.Equal(t, schema+", public", value[string](t, h.OwnerDSN, "SELECT path FROM "+schema+".seen"))
		require.Empty(t, value[string](t, h.OwnerDSN, "SELECT coalesce(trace, '') FROM "+schema+".seen"))
	}
}

// Where a schema lacks a table, its shared namesake is left alone: by a single target, in company, and by a function.
func TestGooseOutside(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 40, 1)
	h.exec(t, "CREATE TABLE public.ship_1 (id int); CREATE TABLE public.ports (id int primary key); INSERT INTO ports VALUES (1)")
	h.exec(t, "DROP TABLE t_1.ship_1; DROP TABLE t_30.ship_1")
	refer := map[string]string{"00001_a.sql": up("ALTER TABLE ship_1 ADD COLUMN a int REFERENCES ports;")}
	report, err := h.run(t, fleet.Options{Canary: fleet.Canary{None: true}}, source(t, refer))
	require.ErrorIs(t, err, fleet.ErrOutside)
	require.Equal(t, 2, report.Failed)
	require.Equal(t, 38, report.Done)
	require.ErrorContains(t, err, "ship_1")
	require.NotContains(t, err.Error(), "ports")

	drop := func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DROP TABLE ship_1")
		return err
	}
	for name, s := range map[string]fleet.Source{
		"drop":     source(t, map[string]string{"00001_a.sql": up("DROP TABLE ship_1;")}, fleet.GooseOptions{Table: "other"}),
		"write":    source(t, map[string]string{"00001_a.sql": up("DELETE FROM ports;")}, fleet.GooseOptions{Table: "other"}),
		"function": source(t, nil, fleet.GooseOptions{Table: "other", Migrations: []*goose.Migration{goose.NewGoMigration(1, &goose.GoFunc{RunTx: drop}, nil)}}),
		"alone": source(t, map[string]string{"00001_a.sql": "-- +goose NO TRANSACTION\n" + up("CREATE INDEX CONCURRENTLY i ON ship_1 (id);")},
			fleet.GooseOptions{Table: "other"}),
	} {
		_, err = h.run(t, fleet.Options{Targets: list(h.target("t_1"))}, s)
		require.ErrorIs(t, err, fleet.ErrOutside, name)
	}
	require.Equal(t, 1, value[int](t, h.OwnerDSN, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.ship_1'::regclass AND attnum > 0"))
	require.Equal(t, 1, value[int](t, h.OwnerDSN, "SELECT count(*) FROM ports"))

	_, err = h.run(t, fleet.Options{Targets: list(h.target("t_1"))},
		source(t, map[string]string{"00001_a.sql": up("DELETE FROM ports;")}, fleet.GooseOptions{Table: "other", Outside: true}))
	require.NoError(t, err)
	require.Zero(t, value[int](t, h.OwnerDSN, "SELECT count(*) FROM ports"))
}

// What was begun outside of a transaction and has not ended is reported by name, and run again only when asked.
func TestGooseInterrupted(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 4, 1)
	h.exec(t, "INSERT INTO t_2.ship_1 (name) VALUES ('secret'), ('secret')")
	unique := source(t, map[string]string{
		"00001_unique.sql": "-- +goose NO TRANSACTION\n" + up("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ship_name ON ship_1 (name);"),
	})
	report, err := h.run(t, fleet.Options{}, unique)
	require.ErrorIs(t, err, fleet.ErrInterrupted)
	require.Equal(t, 3, report.Done)
	var failed *fleet.TargetError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "00001_unique.sql", failed.Version)
	require.ErrorContains(t, err, "could not create unique index")
	require.ErrorContains(t, err, "invalid indexes: t_2.ship_name")
	require.NotContains(t, err.Error(), "secret")

	// To run it again would find an index of that name, and take it for the one that is wanted.
	report, err = h.run(t, fleet.Options{}, unique)
	require.ErrorIs(t, err, fleet.ErrInterrupted)
	require.Equal(t, 1, report.Failed)
	require.Equal(t, 3, report.Skipped)

	h.exec(t, "DROP INDEX t_2.ship_name; DELETE FROM t_2.ship_1")
	_, err = h.run(t, fleet.Options{Rerun: true}, unique)
	require.NoError(t, err)
	require.Zero(t, value[int](t, h.OwnerDSN, "SELECT count(*) FROM stratum.ledger"))
}

// A run that ends in the middle of such a migration leaves its mark, however it ends.
func TestGooseInterruptedByTheEnd(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 1, 1)
	s := source(t, map[string]string{"00001_a.sql": "-- +goose NO TRANSACTION\n" + up("CREATE TABLE log ();\nSELECT pg_sleep(60);")})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() {
		_, err := fleet.Run(ctx, fleet.Options{Targets: h.targets(), Sources: []fleet.Source{s}})
		ran <- err
	}()
	require.Eventually(t, func() bool {
		return value[int](t, h.AdminDSN, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'", h.Name) == 1
	}, 30*time.Second, 5*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ran, context.Canceled)
	_, err := h.run(t, fleet.Options{}, s)
	require.ErrorIs(t, err, fleet.ErrInterrupted)
	require.ErrorContains(t, err, "00001_a.sql")
	require.Equal(t, 1, value[int](t, h.OwnerDSN, "SELECT max(id) FROM t_1.goose_db_version"), "it is not in the ledger")
}

// A first statement that failed as a whole has left nothing, and needs no asking.
func TestGooseAloneUndone(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 1, 1)
	s := source(t, map[string]string{"00001_a.sql": "-- +goose NO TRANSACTION\n" + up("ALTER TABLE dock ADD COLUMN a int;")})
	_, err := h.run(t, fleet.Options{}, s)
	require.ErrorContains(t, err, `relation "dock" does not exist`)
	require.NotErrorIs(t, err, fleet.ErrInterrupted)
	h.exec(t, "CREATE TABLE t_1.dock ()")
	_, err = h.run(t, fleet.Options{}, s)
	require.NoError(t, err)
}

// A function's error and its panic fail the target alone.
func TestGooseFunctionFails(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 3, 1)
	errMine := errors.New("mine")
	m := goose.NewGoMigration(1, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		var schema string
		if err := tx.QueryRowContext(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
			return err
		}
		if schema == "t_3" {
			panic("at sea")
		}
		if schema == "t_2" {
			return errMine
		}
		return nil
	}}, nil)
	report, err := h.run(t, fleet.Options{}, source(t, nil, fleet.GooseOptions{Migrations: []*goose.Migration{m}}))
	require.ErrorIs(t, err, errMine)
	require.ErrorContains(t, err, "panicked: at sea")
	require.Equal(t, 1, report.Done)
	require.Equal(t, 2, report.Failed)
}
