package sqltext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

func TestConflictWhere(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE t.a = 2":                 true,
		"insert into t values (1) on/**/conflict(id)do\nupdate set a=1 where true":                    true,
		"INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO UPDATE SET a = 1 WHERE x":            true,
		"INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE b DO UPDATE SET (a, b) = (1, 2) WHERE f((1))": true,
		"WITH x AS (INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE g) SELECT 1":  true,
		"INSERT INTO t SELECT * FROM u JOIN v ON true ON CONFLICT (id) DO UPDATE SET a = 1 WHERE b":   true,
		"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = (SELECT 1 WHERE b) WHERE c":      true,
		"INSERT INTO t VALUES (1) ON CONFLICT ((f(a)), b) DO UPDATE SET a = 1 WHERE b":                true,
		"WITH x AS (INSERT INTO t VALUES (1) ON CONFLICT (id) DO NOTHING), y AS (INSERT INTO t VALUES (2) " +
			"ON CONFLICT (id) DO UPDATE SET a = 1 WHERE g) SELECT 1": true,

		"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1":                                 false,
		"INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE b DO UPDATE SET a = 1":                          false,
		"INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE b DO NOTHING":                                   false,
		"INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = (SELECT 1 WHERE b) RETURNING a":    false,
		"WITH x AS (INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1) SELECT 1 WHERE true": false,
		"SELECT 'ON CONFLICT (id) DO UPDATE SET a = 1 WHERE b' WHERE true":                              false,
		"UPDATE t SET a = 1 WHERE b": false,
		`SELECT "on", "conflict" FROM t JOIN u ON t.a = u.a WHERE "do" = "update"`: false,
	} {
		require.Equal(t, want, sqltext.Inspect(sql).ConflictWhere, sql)
	}
}
