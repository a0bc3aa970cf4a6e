package gormstratum_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// play runs a script as psql would: part by part, the lines that are for psql alone left out.
func (b business) play(t *testing.T, script string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.OwnerDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	script = regexp.MustCompile(`(?m)^\\.*$`).ReplaceAllString(script, "")
	for part := range strings.SplitSeq(script, "\n\n-- ") {
		// As the script's first lines say: a part that did not get its lock in time is repeated.
		for attempt := 0; ; attempt++ {
			_, err := conn.PgConn().Exec(t.Context(), "-- "+part).ReadAll()
			if err == nil {
				break
			}
			require.Regexp(t, "55P03|57014", err.Error(), part)
			require.Less(t, attempt, 100)
			require.NoError(t, conn.PgConn().Exec(t.Context(), "ROLLBACK").Close())
		}
	}
}

// The script does what the function does, in both directions, and asking for it changes nothing.
func TestAdoptScript(t *testing.T) {
	t.Parallel()
	whole := newBusiness(t, 3, 50)
	whole.adopt(t, gormstratum.AdoptSealed)

	b := newBusiness(t, 3, 50)
	before := b.catalog(t)
	options := crmKeys()
	for _, step := range steps() {
		options.To = step
		was := b.catalog(t)
		script, err := gormstratum.AdoptScript(t.Context(), b.db, options)
		require.NoError(t, err)
		require.Equal(t, was, b.catalog(t))
		b.play(t, script)
		report, err := gormstratum.AdoptReport(t.Context(), b.db, options)
		require.NoError(t, err)
		require.Len(t, report, len(crmTables()))
		for _, status := range report {
			require.Equal(t, step, status.Step, status)
		}
	}
	require.NoError(t, gormstratum.Migrate(t.Context(), b.db, gormstratum.MigrateOptions{}))
	require.Equal(t, whole.catalog(t), b.catalog(t))

	options.To = gormstratum.AdoptPlain
	script, err := gormstratum.EjectScript(t.Context(), b.db, options)
	require.NoError(t, err)
	b.play(t, script)
	require.Equal(t, before, b.catalog(t))
}

// A report in the middle of a step says where each table is and what comes next.
func TestAdoptReport(t *testing.T) {
	t.Parallel()
	b := newBusiness(t, 3, 50)
	options := crmKeys()
	options.To = gormstratum.AdoptExpanded
	left := len(crmTables()) + 2
	options.Progress = func(e gormstratum.AdoptEvent) error {
		if left -= map[bool]int{true: 1}[e.Done]; left == 0 {
			return errStop
		}
		return nil
	}
	require.ErrorIs(t, gormstratum.Adopt(t.Context(), b.db, options), errStop)
	report, err := gormstratum.AdoptReport(t.Context(), b.db, crmKeys())
	require.NoError(t, err)
	reached := map[gormstratum.AdoptStep]int{}
	for _, status := range report {
		reached[status.Step]++
		require.NotEmpty(t, status.Next)
	}
	require.Len(t, report, reached[gormstratum.AdoptPlain]+reached[gormstratum.AdoptExpanded])
	require.Equal(t, 2, reached[gormstratum.AdoptExpanded], "the columns come first")
}

// Tables that Migrate has made tenant-owned, without an adoption, can be left, too.
func TestEjectMigrated(t *testing.T) {
	t.Parallel()
	d := newShop(t)
	b := business{desk: d}
	b.db = d.used(t, shop())
	before := b.catalog(t)
	first, _ := core.TenantFrom(d.tenant(t, "first"))
	require.NoError(t, migrate(t.Context(), b.db, first))
	require.NotEqual(t, before, b.catalog(t))
	require.NoError(t, gormstratum.Eject(t.Context(), b.db, gormstratum.AdoptOptions{}))
	require.Equal(t, before, b.catalog(t))
}
