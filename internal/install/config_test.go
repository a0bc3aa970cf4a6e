package install_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestConfigChecks(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme"})
	conn := asSystem(t, db)
	const insert = "INSERT INTO stratum.config (tenant_id, key, value) VALUES ($1, $2, $3)"
	for name, tc := range map[string]struct {
		tenant     uuid.UUID
		key        string
		value      any
		code, rule string
	}{
		"an empty key":             {acme.id, "", "1", "23514", "config_key_check"},
		"an upper-case key":        {acme.id, "Seats", "1", "23514", "config_key_check"},
		"a key that has a digit 1": {acme.id, "1st", "1", "23514", "config_key_check"},
		"a key of two lines":       {acme.id, "seats\nx", "1", "23514", "config_key_check"},
		"a key of 129":             {acme.id, strings.Repeat("k", 129), "1", "23514", "config_key_check"},
		"nobody's":                 {uuid.New(), "seats", "1", "23503", "config_tenant_id_fkey"},
		"no value":                 {acme.id, "seats", nil, "23502", ""},
	} {
		_, err := conn.Exec(t.Context(), insert, tc.tenant, tc.key, tc.value)
		var pgErr *pgconn.PgError
		require.ErrorAs(t, err, &pgErr, name)
		require.Equal(t, tc.code, pgErr.Code, name)
		require.Equal(t, tc.rule, pgErr.ConstraintName, name)
	}
	for _, key := range []string{"k", "a.b-c_0", strings.Repeat("k", 128)} {
		_, err := conn.Exec(t.Context(), insert, acme.id, key, "null")
		require.NoError(t, err, key)
	}
	_, err := conn.Exec(t.Context(), insert, acme.id, "k", "1")
	require.Equal(t, "23505", code(err))
}

// Where a tenant goes, what it has set goes with it.
func TestConfigGoesWithItsTenant(t *testing.T) {
	t.Parallel()
	db, _ := installed(t)
	acme := createTenant(t, db, tenant{slug: "acme", status: "provisioning"})
	conn := asSystem(t, db)
	_, err := conn.Exec(t.Context(), "INSERT INTO stratum.config (tenant_id, key, value) VALUES ($1, 'k', '1')", acme.id)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "DELETE FROM stratum.tenants WHERE id = $1", acme.id)
	require.NoError(t, err)
	var left int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM stratum.config").Scan(&left))
	require.Zero(t, left)
}
