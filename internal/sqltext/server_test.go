package sqltext_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

const (
	sentences     = 6000
	enoughAgreed  = 600 // of them, that the server can read
	maxStatements = 3
)

// TestServerCountsAlike gives the server texts that are hard to read, in one simple query each, and compares how many
// statements it runs.
func TestServerCountsAlike(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), stratumtest.EmptyDatabase(t).DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	random := rand.New(rand.NewPCG(1, 2))
	agreed, several := 0, 0
	for range sentences {
		sql := sentence(random)
		ran, err := statements(t, conn.PgConn(), sql)
		if err != nil {
			continue // it read the text and refused all of it
		}
		c := sqltext.Inspect(sql)
		require.False(t, c.Broken, "%q", sql)
		require.Equal(t, ran, c.Statements, "%q", sql)
		bound, err := sqltext.Bind(sql, 0, nil)
		require.Equal(t, ran > 1, errors.Is(err, sqltext.ErrMultiple), "%q: %v", sql, err)
		if ran == 1 {
			again, err := statements(t, conn.PgConn(), bound)
			require.NoError(t, err, "%q became %q", sql, bound)
			require.Equal(t, 1, again)
		}
		agreed++
		if ran > 1 {
			several++
		}
	}
	require.Greater(t, agreed, enoughAgreed)
	require.Greater(t, several, enoughAgreed/4)
}

// statements is how many statements the server ran. It refuses a text that it cannot read before it runs any of it.
func statements(t *testing.T, pg *pgconn.PgConn, sql string) (int, error) {
	t.Helper()
	results, err := pg.Exec(t.Context(), sql).ReadAll()
	ran := len(results)
	for _, r := range results {
		if r.CommandTag.String() == "" {
			ran-- // the answer to a text without a statement
		}
	}
	return ran, err
}

// sentence is a text of some statements. Each selects texts, written in all of PostgreSQL's ways, with everything in
// them that could end them early.
func sentence(random *rand.Rand) string {
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	inside := []string{
		"a", "'", "''", `\`, `\'`, `\\`, `"`, `""`, "$$", "$a$", "$b$", "--", "/*", "*/", ";", "\n", "\r", " ", "; SELECT 2", "E'",
		"é", "$1x",
	}
	blank := []string{" ", "\n", "\t", "-- c ' ; \n", "/* ; ' */", "/* /* ; */ */", " \f ", "--\r", "/*/**/*/"}
	text := func() string {
		var b strings.Builder
		for range random.IntN(4) {
			b.WriteString(pick(inside))
		}
		return b.String()
	}
	forms := []func() string{
		func() string { return "'" + text() + "'" },
		func() string { return "E'" + text() + "'" },
		func() string { return "E'" + text() + "'" + pick(blank) + "\n'" + text() + "'" },
		func() string { return "'" + text() + "'\n" + pick(blank) + "'" + text() + "'" },
		func() string { return "$$" + text() + "$$" },
		func() string { return "$a$" + text() + "$a$" },
		func() string { return "U&'" + text() + "'" },
		func() string { return "N'" + text() + "'" },
		func() string { return `1 AS "` + text() + `"` },
		func() string { return "1 a$b" },
		func() string { return "1 /" + pick(blank) + "/* */ 1" },
		func() string { return "B'" + pick([]string{"01", "", "1"}) + "'" },
	}
	var b strings.Builder
	for i := range 1 + random.IntN(maxStatements) {
		if i > 0 || random.IntN(5) == 0 {
			b.WriteString(";" + pick(blank))
		}
		b.WriteString("SELECT" + pick(blank) + forms[random.IntN(len(forms))]() + pick(blank))
		if random.IntN(3) == 0 {
			b.WriteString("," + pick(blank) + forms[random.IntN(len(forms))]())
		}
	}
	if random.IntN(4) == 0 {
		b.WriteString(pick(blank) + ";" + pick(blank))
	}
	return b.String()
}
