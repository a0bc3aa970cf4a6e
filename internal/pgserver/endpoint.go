package pgserver

import (
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// endpoint is a DSN whose database and login can be replaced. It keeps everything else a user wrote into
// STRATUM_DATABASE_URL, such as TLS settings.
type endpoint string

// with returns the DSN for another database and another login. An empty database or user is left as it is.
func (e endpoint) with(database, user, password string) string {
	if parsed, err := url.Parse(string(e)); err == nil && strings.HasPrefix(parsed.Scheme, "postgres") {
		return withURL(*parsed, database, user, password)
	}
	// In the keyword form the last of several equal keywords counts.
	dsn := strings.TrimSpace(string(e))
	if strings.HasSuffix(dsn, "=") {
		// An empty value, as of "password=", would swallow what follows.
		dsn += "''"
	}
	if database != "" {
		dsn += " dbname=" + quoteKeyword(database)
	}
	if user != "" {
		dsn += " user=" + quoteKeyword(user) + " password=" + quoteKeyword(password)
	}
	return dsn
}

// replaceable tells whether with works: a DSN of the keyword form may end in the middle of a value.
func (e endpoint) replaceable() bool {
	const other = "other"
	config, err := pgx.ParseConfig(e.with(other, other, other))
	return err == nil && config.Database == other && config.User == other && config.Password == other
}

// withURL replaces in the URL form.
func withURL(dsn url.URL, database, user, password string) string {
	query := dsn.Query()
	// Parameters would win over the path and the userinfo.
	if database != "" {
		query.Del("dbname")
		query.Del("database")
		dsn.Path, dsn.RawPath = "/"+database, ""
	}
	if user != "" {
		query.Del("user")
		query.Del("password")
		dsn.User = url.User(user)
		if password != "" {
			dsn.User = url.UserPassword(user, password)
		}
	}
	dsn.RawQuery = query.Encode()
	return dsn.String()
}

// quoteKeyword quotes a value of the keyword form, where any value may be quoted.
func quoteKeyword(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
