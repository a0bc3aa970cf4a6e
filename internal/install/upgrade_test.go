package install_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// before is the version of the schema before tenants could have schemas and databases of their own.
const before = 5

// enterBefore is how programs of that version enter a tenant, the first time and while the epoch lasts.
const (
	enterBefore = `SELECT CASE WHEN pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.<>) $1
		THEN pg_catalog.set_config('search_path', $1, true) END, stratum.admit($2),
		CASE WHEN pg_catalog.current_setting('stratum.context', true) OPERATOR(pg_catalog.=) $3
		THEN NULL ELSE pg_catalog.set_config('stratum.context', $3, true) END, pg_catalog.set_config('role', $4, true)`
	readmitBefore = `SELECT stratum.readmit($2, $5, $1, $3), pg_catalog.set_config('role', $4, true)`
)

// older is a program of the version before.
type older struct {
	conn  *pgx.Conn
	roles install.Roles
}

// read counts the notes that the tenant sees, as that program does.
func (o older) read(ctx context.Context, tenant uuid.UUID, epoch *int64) (n int, err error) {
	err = pgx.BeginFunc(ctx, o.conn, func(tx pgx.Tx) error {
		args := []any{pgx.QueryExecModeExec, "public, pg_temp", tenant, "", o.roles.Tenant}
		var nothing any
		if *epoch == 0 {
			err := tx.QueryRow(ctx, enterBefore, args...).Scan(&nothing, epoch, &nothing, &nothing)
			if err != nil {
				return err
			}
		} else if err := tx.QueryRow(ctx, readmitBefore, append(args, *epoch)...).Scan(&nothing, &nothing); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT count(*) FROM notes").Scan(&n)
	})
	return n, err
}

// installedBefore is a database as the version before has left it, with a table: it knows three roles.
func installedBefore(t *testing.T) (*stratumtest.Database, install.Roles) {
	t.Helper()
	db := stratumtest.EmptyDatabase(t)
	this, err := install.Embedded()
	require.NoError(t, err)
	require.NoError(t, install.ApplyRelease(t.Context(), this[:before], options(t, db)))
	roles := rolesOf(t, db)
	exec(t, db.AdminDSN, `DROP OWNED BY "`+roles.Schema+`"; DROP ROLE "`+roles.Schema+`"`)
	exec(t, db.OwnerDSN, `CREATE TABLE notes (tenant_id uuid NOT NULL DEFAULT stratum.tenant_id(), body text);
		ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
		CREATE POLICY tenant ON notes TO "`+roles.Tenant+`" USING (tenant_id = stratum.tenant_id());
		CREATE POLICY system ON notes TO "`+roles.System+`" USING (true);
		GRANT SELECT, INSERT ON notes TO "`+roles.Tenant+`", "`+roles.System+`"`)
	return db, roles
}

// TestUpgradeInService has programs of both versions on one database: those of the version before go on with tenants in
// shared tables, and are refused the others; new ones start before Migrate has run, and work once it has.
func TestUpgradeInService(t *testing.T) {
	t.Parallel()
	db, roles := installedBefore(t)
	ctx := t.Context()
	acme, globex := createTenant(t, db, tenant{slug: "acme"}), createTenant(t, db, tenant{slug: "globex"})
	old := older{conn: connect(t, db.DSN), roles: roles}
	var epoch int64
	requireReads := func(want int) {
		t.Helper()
		for range 2 { // the long way and the short one
			n, err := old.read(ctx, acme.id, &epoch)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
	}
	requireReads(0)

	o := db.Options()
	o.RolePrefix, o.Logger = prefixOf(db), slog.New(slog.DiscardHandler)
	st, err := core.Open(ctx, o)
	require.NoError(t, err, "the role that is missing is made by Migrate")
	defer func() { require.NoError(t, st.Close()) }()
	write := func() error {
		_, err := st.DB().ExecContext(core.WithTenant(ctx, acme.id), "INSERT INTO notes (body) VALUES ('x')")
		return err
	}
	require.ErrorIs(t, write(), core.ErrOutdated)
	require.ErrorIs(t, st.Tenants.Suspend(ctx, acme.id), core.ErrOutdated)
	requireReads(0)
	for range 2 {
		require.NoError(t, st.Migrate(ctx))
	}
	require.NoError(t, write())
	requireReads(1)
	requireInstalled(t, db)
	require.NoError(t, st.Tenants.Suspend(ctx, acme.id))
	_, err = old.read(ctx, acme.id, &epoch)
	require.Error(t, err)
	require.NoError(t, st.Tenants.Resume(ctx, acme.id))
	epoch = 0
	requireReads(1)

	// Tenants elsewhere are none of theirs, also where they have just been there.
	var other int64
	_, err = old.read(ctx, globex.id, &other)
	require.NoError(t, err)
	exec(t, db.AdminDSN, "UPDATE stratum.tenants SET isolation = 'schema' WHERE slug = 'globex'")
	_, err = old.read(ctx, globex.id, &other)
	require.Equal(t, "ST009", code(err), "the epoch has turned")
	other = 0
	_, err = old.read(ctx, globex.id, &other)
	require.Equal(t, "ST010", code(err))
	for _, enter := range []string{"SELECT stratum.enter($1)", "SELECT stratum.admit($1)"} {
		_, err := old.conn.Exec(ctx, enter, globex.id)
		require.Equal(t, "ST010", code(err), enter)
	}
}
