package copies_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// TestCopiesAreReadOnly: the roles read copies and what is known of them, and write neither; the owner writes for all.
func TestCopiesAreReadOnly(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	target.exec(t, `GRANT SELECT ON regions, countries TO stratum_tenant, stratum_subtree, stratum_system`)
	refreshed(t, source, target, shop())
	for _, role := range []string{"stratum_tenant", "stratum_subtree", "stratum_system"} {
		dsn := target.DSN
		if role == "stratum_system" {
			dsn = target.SystemDSN
		}
		conn, err := pgx.Connect(t.Context(), dsn)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "SET ROLE "+role)
		require.NoError(t, err)
		var n int
		require.NoError(t, conn.QueryRow(t.Context(),
			"SELECT count(*) FROM regions JOIN countries ON region = regions.id").Scan(&n))
		require.Equal(t, 2, n)
		for _, statement := range []string{
			"INSERT INTO regions VALUES (70, 'x', 1)", "UPDATE regions SET name = 'x'", "DELETE FROM countries",
			"TRUNCATE countries", "DELETE FROM stratum.copies", "UPDATE stratum.copies SET rows = 0",
			"INSERT INTO stratum.copy_changes VALUES ('public', 'regions')", "DELETE FROM stratum.copy_horizon",
			"CREATE TRIGGER t AFTER INSERT ON regions EXECUTE FUNCTION stratum.note_change('a', 'b')",
		} {
			_, err := conn.Exec(t.Context(), statement)
			var pgErr *pgconn.PgError
			require.ErrorAs(t, err, &pgErr, "%s as %s", statement, role)
			require.Equal(t, "42501", pgErr.Code, "%s as %s", statement, role)
		}
		require.NoError(t, conn.Close(t.Context()))
	}
}

// TestCopiesUnderPolicies: tables of a tenant's database force policies on their owner too.
func TestCopiesUnderPolicies(t *testing.T) {
	t.Parallel()
	source, target := newShop(t)
	source.exec(t, fillShop)
	const protect = `ALTER TABLE templates ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY stratum_owner ON templates TO CURRENT_USER USING (stratum.admit_owner())
		WITH CHECK (stratum.admit_owner())`
	source.exec(t, protect)
	target.exec(t, protect)
	report := refreshed(t, source, target, shop())
	require.Equal(t, int64(1), done(t, report, "templates").Rows)
	target.exec(t, "ALTER TABLE templates DISABLE ROW LEVEL SECURITY")
	require.Equal(t, "everyone", value[string](t, target, "SELECT string_agg(body, ',') FROM templates"))
}
