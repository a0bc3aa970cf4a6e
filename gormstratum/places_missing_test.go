package gormstratum_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
)

// A schema that is gone is an error for its tenant on every path, and nobody's rows are touched.
func TestSchemaMissing(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	r, neighbour := d.lodge(t, "gone", core.SchemaIsolation), d.lodge(t, "neighbour", core.SchemaIsolation)
	d.exec(t, d.OwnerDSN, "DROP SCHEMA "+r.schema+" CASCADE")
	before := d.truth(t)
	for _, st := range []*core.Stratum{d.st, d.openStratum(t, d.Options())} { // one knows the tenant, one does not
		asked := desk{Database: d.Database, st: st, db: d.db}
		for name, way := range asked.ticketWays() {
			require.ErrorIs(t, way(r.ctx), core.ErrSchemaMissing, name)
			require.ErrorIs(t, way(core.AsSystemAt(t.Context(), "a test", r.ID)), core.ErrSchemaMissing, name)
		}
	}
	require.Equal(t, before, d.truth(t), "nothing is written elsewhere")
	require.Equal(t, int64(1), found(t, d, neighbour))
}

// Where a schema lacks a table, its name leads to the shared one: the tenant is refused there, and so is the system, which
// would have the right.
func TestSchemaLacksTable(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	r, neighbour := d.lodge(t, "holed", core.SchemaIsolation), d.lodge(t, "neighbour", core.SchemaIsolation)
	d.exec(t, d.OwnerDSN, "DROP TABLE "+r.schema+".tickets CASCADE")
	before := d.truth(t)
	for name, way := range d.ticketWays() {
		err := way(r.ctx)
		require.ErrorIs(t, err, core.ErrPermission, name)
		if inTransaction := name != "Find" && name != "Raw" && name != "plain"; !inTransaction {
			require.ErrorIs(t, err, core.ErrSchemaTable, name)
			require.ErrorContains(t, err, "stratum: the schema of the tenant lacks a table")
		} else {
			require.ErrorContains(t, err, "a schema of its own, which may lack the table", name)
		}
		require.ErrorIs(t, way(core.AsSystemAt(t.Context(), "a test", r.ID)), core.ErrSchemaTable, name)
	}
	require.Equal(t, before, d.truth(t), "nothing is written elsewhere")
	require.NoError(t, d.db.WithContext(r.ctx).Create(&Tag{Name: "vip"}).Error, "its other tables serve")
	require.Equal(t, int64(1), found(t, d, neighbour))
	// What is refused for another reason in a whole schema is not blamed on it.
	err := d.plain(neighbour.ctx, "INSERT INTO countries (code) VALUES ('BE')")
	require.ErrorIs(t, err, core.ErrPermission)
	require.NotErrorIs(t, err, core.ErrSchemaTable)
}

// A sequence or a type that is gone is no way to those of others.
func TestSchemaLacksSequence(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	d.lodge(t, "shared", core.SharedIsolation)
	r := d.lodge(t, "holed", core.SchemaIsolation)
	d.exec(t, d.OwnerDSN, "DROP SEQUENCE "+r.schema+".bills_id_seq CASCADE")
	before, sequences := d.truth(t), d.sequences(t)
	insert := "INSERT INTO bills (note) VALUES ('x')"
	for _, err := range []error{
		d.plain(r.ctx, insert), d.inTx(r.ctx, insert), d.db.WithContext(r.ctx).Create(&Bill{Note: "x"}).Error,
	} {
		var pgErr *pgconn.PgError
		require.ErrorAs(t, err, &pgErr)
		require.Equal(t, "23502", pgErr.Code, "the id is null")
	}
	for _, name := range []string{"bills_id_seq", "public.bills_id_seq"} {
		require.ErrorIs(t, d.plain(r.ctx, "SELECT nextval('"+name+"')"), core.ErrPermission)
		require.ErrorIs(t, d.plain(r.ctx, "SELECT setval('"+name+"', 1)"), core.ErrPermission)
		require.ErrorIs(t, d.plain(r.ctx, "INSERT INTO bills (id, note) VALUES (nextval('"+name+"'), 'x')"), core.ErrPermission)
	}
	require.Equal(t, before, d.truth(t))
	require.Equal(t, sequences, d.sequences(t))
}

func TestTypeMissing(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	r, apart := d.lodge(t, "typed", core.SchemaIsolation), d.lodge(t, "apart", core.DatabaseIsolation)
	require.NoError(t, d.db.WithContext(r.ctx).Create(&Bill{Mood: "sour"}).Error)
	d.exec(t, d.OwnerDSN, "DROP TYPE public.mood CASCADE") // and the columns with it
	before := d.truth(t)
	for _, err := range []error{
		d.plain(r.ctx, "INSERT INTO bills (mood) VALUES ('sour')"), d.plain(r.ctx, "SELECT 'sour'::mood"),
	} {
		require.ErrorContains(t, err, "mood")
	}
	require.Error(t, d.db.WithContext(r.ctx).Create(&Bill{Mood: "sour"}).Error)
	require.Equal(t, before, d.truth(t))
	require.NoError(t, d.db.WithContext(apart.ctx).Create(&Bill{Mood: "sour"}).Error, "each database has its own types")
}

// A database that is gone is an error that says so.
func TestDatabaseMissing(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	r, neighbour := d.lodge(t, "gone", core.DatabaseIsolation), d.lodge(t, "neighbour", core.DatabaseIsolation)
	d.exec(t, d.AdminDSN, `DROP DATABASE "`+d.databaseOf(t, r).Name+`" WITH (FORCE)`)
	before := d.truth(t)
	for _, st := range []*core.Stratum{d.st, d.openStratum(t, d.Options()), d.pooled(t)} {
		asked := desk{Database: d.Database, st: st, db: d.db}
		for name, way := range asked.ticketWays() {
			require.ErrorIs(t, way(r.ctx), core.ErrDatabaseMissing, name)
			require.ErrorIs(t, way(core.AsSystemAt(t.Context(), "a test", r.ID)), core.ErrDatabaseMissing, name)
		}
	}
	require.Equal(t, before, d.truth(t), "nothing is written elsewhere")
	require.Equal(t, int64(1), found(t, d, neighbour))
}

// A database that is down keeps nobody else from working, and serves again without a restart.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	d := newPlaces(t)
	r, neighbour := d.lodge(t, "down", core.DatabaseIsolation), d.lodge(t, "neighbour", core.DatabaseIsolation)
	name := d.databaseOf(t, r).Name
	before := d.truth(t)
	d.exec(t, d.AdminDSN, `ALTER DATABASE "`+name+`" ALLOW_CONNECTIONS false;
		SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '`+name+`'`)
	for _, st := range []*core.Stratum{d.st, d.openStratum(t, d.Options()), d.pooled(t)} {
		asked := desk{Database: d.Database, st: st, db: d.db}
		for way, run := range asked.ticketWays() {
			for _, ctx := range []context.Context{r.ctx, core.AsSystemAt(t.Context(), "a test", r.ID)} {
				err := run(ctx)
				require.ErrorIs(t, err, core.ErrDatabaseDown, way)
				var placed *core.PlacementError
				require.ErrorAs(t, err, &placed, way)
				require.NotContains(t, err.Error(), d.DSN)
			}
		}
	}
	require.Equal(t, int64(1), found(t, d, neighbour))
	d.exec(t, d.AdminDSN, `ALTER DATABASE "`+name+`" ALLOW_CONNECTIONS true`)
	require.Equal(t, before, d.truth(t), "nothing is written elsewhere")
	require.Equal(t, int64(1), found(t, d, r))
	require.False(t, strings.Contains(name, r.Slug))
}

// pooled is a handle through a PgBouncer.
func (d desk) pooled(t *testing.T) *core.Stratum {
	t.Helper()
	o := d.Options()
	o.DSN, o.SystemDSN = behindPooler(t, o.DSN, o.SystemDSN)
	return d.openStratum(t, o)
}
