package pgserver_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// The forms in which a user may write STRATUM_DATABASE_URL, each with a database and a login in another place.
func forms() []string {
	return []string{
		"postgres://ann:old@db.example:6543/first?sslmode=disable&application_name=ci",
		"postgresql://db.example:6543?user=ann&password=old&dbname=first&sslmode=disable&application_name=ci",
		"postgres:///first?host=db.example&port=6543&user=ann&sslmode=disable&application_name=ci",
		"host=db.example port=6543 user=ann dbname=first sslmode=disable application_name=ci password=",
		"host=db.example port=6543 user=ann password='o\\'ld' dbname=first sslmode=disable application_name=ci",
	}
}

func TestEndpointKeepsWhatIsNotReplaced(t *testing.T) {
	t.Parallel()
	for _, form := range forms() {
		config, err := pgx.ParseConfig(pgserver.With(form, "", "", ""))
		require.NoError(t, err)
		require.True(t, pgserver.Replaceable(form), form)
		require.Equal(t, "first", config.Database, form)
		require.Equal(t, "ann", config.User, form)
	}
}

// FuzzEndpoint: a DSN that the driver takes is still one after another database and login were put in, or is refused.
func FuzzEndpoint(f *testing.F) {
	for _, form := range forms() {
		f.Add(form)
	}
	f.Add("")
	f.Add("postgres://ann@one:1,two:2/first?target_session_attrs=read-write")
	f.Add(`user=ann\ b password=' ' dbname = first`)
	f.Fuzz(func(t *testing.T, dsn string) {
		if _, err := pgx.ParseConfig(dsn); err != nil || !pgserver.Replaceable(dsn) {
			return
		}
		config, err := pgx.ParseConfig(pgserver.With(dsn, "shop", "bob", "sesame"))
		require.NoError(t, err)
		require.Equal(t, "shop", config.Database)
		require.Equal(t, "bob", config.User)
		require.Equal(t, "sesame", config.Password)
	})
}

func TestEndpointReplaces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom(forms()).Draw(t, "form")
		// No server takes a zero byte in a name.
		text := rapid.StringMatching(`[ -~äß☃]+`)
		database, user, password := text.Draw(t, "database"), text.Draw(t, "user"), text.Draw(t, "password")
		config, err := pgx.ParseConfig(pgserver.With(form, database, user, password))
		require.NoError(t, err)
		require.Equal(t, strings.TrimPrefix(database, "/"), strings.TrimPrefix(config.Database, "/"))
		require.Equal(t, user, config.User)
		require.Equal(t, password, config.Password)
		require.Equal(t, "db.example", config.Host)
		require.Equal(t, uint16(6543), config.Port)
		require.Equal(t, "ci", config.RuntimeParams["application_name"])
	})
}
