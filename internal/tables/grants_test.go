package tables_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

func TestGlobalTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// What a careless migration has left.
	w.exec(t, shopDDL)
	w.exec(t, "GRANT ALL ON countries TO PUBLIC; GRANT UPDATE (name) ON countries TO "+quote(w.roles.Subtree)+
		"; GRANT ALL ON countries TO "+quote(w.roles.Tenant))
	w.migrated(t, job{tables: shop()})
	system := w.system(t)
	system.must(t, "INSERT INTO countries VALUES ('AT', 'Austria')")
	require.NoError(t, system.Commit(t.Context()))
	for _, role := range []string{w.roles.Tenant, w.roles.Subtree} {
		s := w.as(t, role, w.acme)
		require.Equal(t, "Austria", one[string](t, s, "SELECT name FROM countries"))
		for _, statement := range []string{
			"INSERT INTO countries VALUES ('DE', 'Germany')", "UPDATE countries SET name = 'x'", "DELETE FROM countries",
			"TRUNCATE countries",
		} {
			s.fails(t, codePrivilege, statement)
		}
	}
}

func TestOwnedTableGivesNothingMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO "+
		quote(w.roles.Tenant))
	w.migrated(t, shopJob())
	w.tenant(t, w.acme).fails(t, codePrivilege, "TRUNCATE tags")
	w.login(t, w.DSN).fails(t, codePrivilege, "SELECT FROM tags")
	require.Empty(t, value[[]string](t, w.OwnerDSN, `SELECT coalesce(array_agg(privilege_type), '{}')
		FROM information_schema.table_privileges WHERE table_name = 'tags' AND grantee <> current_user
		AND (grantee = 'PUBLIC' OR privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))`))
}

func TestRightGrantedByAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	w.exec(t, "GRANT ALL ON tags TO "+quote(w.Name+"_app")+" WITH GRANT OPTION")
	run(t, w.DSN, "GRANT TRUNCATE ON tags TO "+quote(w.roles.Tenant))
	refusal := w.refused(t, tables.ErrGrant, job{tables: shop()})
	require.Equal(t, "TRUNCATE", refusal.Object)
	require.ErrorContains(t, refusal, w.Name+"_app")
}

func TestExternalTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ddl = "CREATE TABLE jobs (id bigserial PRIMARY KEY); CREATE TABLE untouched (id bigint); CREATE VIEW seen AS SELECT 1 AS id"
	declared := func(rights ...string) job {
		return job{tables: []tables.Table{
			{Name: "jobs", Kind: tables.External, Rights: rights},
			{Name: "untouched", Kind: tables.External},
			{Name: "seen", Kind: tables.External, Rights: []string{"select"}},
		}, orm: ddl}
	}
	j := declared("select", "insert")
	j.orm += "; GRANT UPDATE ON jobs TO PUBLIC"
	w.migrated(t, j)
	require.True(t, value[bool](t, w.DSN, "SELECT has_table_privilege('jobs', 'UPDATE')"), "not Stratum's business")
	acme := w.tenant(t, w.acme)
	acme.must(t, "INSERT INTO jobs DEFAULT VALUES")
	require.Equal(t, int64(1), one[int64](t, acme, "SELECT count(*) FROM jobs"))
	require.Equal(t, int64(1), one[int64](t, acme, "SELECT id FROM seen"))
	acme.fails(t, codePrivilege, "DELETE FROM jobs")
	acme.fails(t, codePrivilege, "SELECT FROM untouched")
	require.NoError(t, acme.Commit(t.Context()))

	less := declared("select")
	less.orm = ""
	w.migrated(t, less)
	w.tenant(t, w.acme).fails(t, codePrivilege, "INSERT INTO jobs DEFAULT VALUES")
	require.False(t, value[bool](t, w.OwnerDSN, "SELECT relrowsecurity FROM pg_class WHERE relname = 'jobs'"))
}

func TestOwnedBecomesGlobal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.migrated(t, shopJob())
	declared := shop()
	declared[3] = tables.Table{Name: "tags", Kind: tables.Global}
	declared = declared[:4]
	refusal := w.refused(t, tables.ErrKind, job{tables: declared})
	require.Equal(t, `"public"."tags"`, refusal.Table)
}

func TestSchemaOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, `CREATE SCHEMA "My App"; CREATE TABLE "My App".notes (id bigserial PRIMARY KEY); CREATE TABLE notes (id int)`)
	w.migrated(t, job{tables: []tables.Table{{Schema: "My App", Name: "notes"}}})
	w.tenant(t, w.acme).must(t, `INSERT INTO "My App".notes DEFAULT VALUES`)
	require.False(t, value[bool](t, w.OwnerDSN, "SELECT relrowsecurity FROM pg_class WHERE oid = 'public.notes'::regclass"))
}
