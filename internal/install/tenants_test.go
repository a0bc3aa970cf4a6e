package install_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestOnlySystemReachesTheRegistry(t *testing.T) {
	t.Parallel()
	db, roles := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	conn := connect(t, db.DSN)
	for _, role := range []string{roles.Tenant, roles.Subtree, "NONE"} {
		_, err := conn.Exec(t.Context(), "SET ROLE "+role)
		require.NoError(t, err)
		for _, query := range []string{
			"SELECT FROM stratum.tenants", "DELETE FROM stratum.tenants", "SELECT nextval('stratum.tenant_number')",
			"UPDATE stratum.schema_info SET version = 99", "CREATE TABLE stratum.mine ()", "CREATE TEMP TABLE mine ()",
			"CREATE TABLE public.mine ()", "SELECT FROM stratum.schema_migrations", "SET ROLE " + roles.System,
			"SELECT FROM stratum.config", "DELETE FROM stratum.config", "SELECT nextval('stratum.config_version')",
		} {
			_, err := conn.Exec(t.Context(), query)
			require.Equal(t, "42501", code(err), "%s as %s", query, role)
		}
	}
	system := asSystem(t, db)
	for _, query := range []string{
		"UPDATE stratum.tenants SET id = gen_random_uuid()", "UPDATE stratum.tenants SET label = 'x'",
		"DELETE FROM stratum.tenants", "TRUNCATE stratum.tenants", "UPDATE stratum.schema_info SET version = 99",
		"UPDATE stratum.config SET tenant_id = gen_random_uuid()", "UPDATE stratum.config SET key = 'x'",
	} {
		_, err := system.Exec(t.Context(), query)
		require.Equal(t, "42501", code(err), query)
	}
	_, err := system.Exec(t.Context(), "UPDATE stratum.tenants SET name = 'Acme & Sons' WHERE id = $1", acme.id)
	require.NoError(t, err)
	_, err = system.Exec(t.Context(), "SELECT FROM stratum.tenants FOR UPDATE")
	require.NoError(t, err)
}

func TestBase36(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	conn := connect(t, db.AdminDSN)
	numbers := []int64{0, 1, 9, 10, 35, 36, 37, 1295, 1296, 46655, 46656, 1 << 31, 1<<53 + 1, math.MaxInt64}
	for _, n := range numbers {
		var got string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT stratum.base36($1)", n).Scan(&got))
		require.Equal(t, strconv.FormatInt(n, 36), got)
	}
}

func TestTenantsChecks(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	root := createTenant(t, db, tenant{slug: "root"})
	suspended := createTenant(t, db, tenant{slug: "sleeping", status: "suspended"})
	conn := asSystem(t, db)
	const check, trigger = "23514", "ST006"
	for _, tc := range []struct {
		name string
		row  tenant
		code string
		rule string
	}{
		{"an empty slug", tenant{slug: ""}, check, "tenants_slug_check"},
		{"an upper-case slug", tenant{slug: "Acme"}, check, "tenants_slug_check"},
		{"a slug that starts with a digit", tenant{slug: "1st"}, check, "tenants_slug_check"},
		{"a slug of two lines", tenant{slug: "acme\nx"}, check, "tenants_slug_check"},
		{"a slug of 64", tenant{slug: strings.Repeat("a", 64)}, check, "tenants_slug_check"},
		{"a slug that is taken", tenant{slug: "root"}, "23505", "tenants_slug_key"},
		{"an unknown status", tenant{slug: "odd", status: "asleep"}, check, "tenants_status_check"},
		{"a path under no parent", tenant{slug: "lost", parent: &created{path: "zz", id: uuid.New()}}, trigger, ""},
		{"a path that is not the parent's", tenant{slug: "stray", parent: &created{path: "zz", id: root.id}}, trigger, ""},
		{"active under suspended", tenant{slug: "awake", parent: &suspended}, "ST005", ""},
	} {
		_, err := insert(t.Context(), conn, "public", tc.row)
		var pgErr *pgconn.PgError
		require.ErrorAs(t, err, &pgErr, tc.name)
		require.Equal(t, tc.code, pgErr.Code, tc.name)
		require.Equal(t, tc.rule, pgErr.ConstraintName, tc.name)
	}
	_, err := insert(t.Context(), conn, "public", tenant{slug: strings.Repeat("a", 63)})
	require.NoError(t, err)
	_, err = insert(t.Context(), conn, "public", tenant{slug: "asleep-too", parent: &suspended, status: "suspended"})
	require.NoError(t, err)
}

func TestTenantsChecksOfTheTree(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	root := createTenant(t, db, tenant{slug: "root"})
	child := createTenant(t, db, tenant{slug: "child", parent: &root})
	conn := connect(t, db.AdminDSN)
	for query, rule := range map[string]string{
		"UPDATE stratum.tenants SET label = 'other' WHERE id = $1":                   "tenants_path_check",
		"UPDATE stratum.tenants SET path = path || 'deeper'::text WHERE id = $1":     "tenants_path_check",
		"UPDATE stratum.tenants SET path = label::ltree WHERE id = $1":               "tenants_root_check",
		"UPDATE stratum.tenants SET metadata = '[]' WHERE id = $1":                   "tenants_metadata_check",
		"UPDATE stratum.tenants SET name = '' WHERE id = $1":                         "tenants_name_check",
		"UPDATE stratum.tenants SET external_id = '' WHERE id = $1":                  "tenants_external_id_check",
		"UPDATE stratum.tenants SET path = '', parent_id = NULL WHERE id = $1":       "tenants_depth_check",
		"UPDATE stratum.tenants SET parent_id = NULL, status = 'moving' WHERE id=$1": "tenants_root_check",
	} {
		_, err := conn.Exec(t.Context(), query, child.id)
		var pgErr *pgconn.PgError
		require.ErrorAs(t, err, &pgErr, query)
		require.Equal(t, rule, pgErr.ConstraintName, query)
	}
}

func TestTenantsAreAtMostTwentyDeep(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	conn := asSystem(t, db)
	var parent *created
	for depth := 1; depth <= 20; depth++ {
		next, err := insert(t.Context(), conn, "public", tenant{slug: fmt.Sprintf("t%d", depth), parent: parent})
		require.NoError(t, err, "depth %d", depth)
		parent = &next
	}
	_, err := insert(t.Context(), conn, "public", tenant{slug: "t21", parent: parent})
	var pgErr *pgconn.PgError
	require.ErrorAs(t, err, &pgErr)
	require.Equal(t, "tenants_depth_check", pgErr.ConstraintName)
}
