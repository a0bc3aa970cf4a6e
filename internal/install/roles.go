package install

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// DefaultPrefix is the prefix of roles where none is configured.
const DefaultPrefix = "stratum"

// Roles are the roles that a scoped statement runs as. None of them can log in. Roles belong to the whole cluster, so
// installations that must not share them need different prefixes.
type Roles struct {
	// Tenant sees exactly one tenant.
	Tenant string
	// Subtree reads a tenant and its descendants.
	Subtree string
	// Schema sees exactly one tenant, which has a schema of its own. It has no rights on the shared tables.
	Schema string
	// System bypasses the boundary.
	System string
}

// NewRoles returns the names of the roles with a prefix, which defaults to DefaultPrefix. A prefix starts with a
// lower-case letter, followed by at most 40 lower-case letters, digits and underscores.
func NewRoles(prefix string) (Roles, error) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`).MatchString(prefix) {
		return Roles{}, fmt.Errorf("stratum: %q is no prefix for roles (start with a letter a-z, then at most 40 of "+
			"a-z, 0-9 and _)", prefix)
	}
	return Roles{
		Tenant: prefix + "_tenant", Subtree: prefix + "_subtree", Schema: prefix + "_schema",
		System: prefix + "_system",
	}, nil
}

// All returns the four names.
func (r Roles) All() []string {
	return []string{r.Tenant, r.Subtree, r.Schema, r.System}
}

// of returns the roles that a login needs for a purpose.
func (r Roles) of(p Purpose) []string {
	if p == ForSystem {
		return []string{r.System}
	}
	return []string{r.Tenant, r.Subtree, r.Schema}
}

func (r Roles) prefix() string {
	return strings.TrimSuffix(r.Tenant, "_tenant")
}

// createRole is how each of the roles is made. A role that exists is not altered: it may be another installation's.
func createRole(name string) string {
	return "CREATE ROLE " + quote(name) +
		" NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
}

// grantRoles makes a login a member that can switch to the roles and does not have their rights before it does. Since
// PostgreSQL 16 that is said with the grant; before, the login itself must be NOINHERIT.
func grantRoles(serverVersion int, login string, roles ...string) string {
	sql := "GRANT " + quoteAll(roles) + " TO " + quote(login)
	if serverVersion >= perGrantInherit {
		sql += " WITH INHERIT FALSE, SET TRUE"
	}
	return sql
}

// Versions of the server, as in server_version_num.
const (
	minServerVersion = 150000
	perGrantInherit  = 160000
)

// quote, quoteAll and literal are those of sqltext: SQL is easier to read with short names in it.
func quote(identifier string) string { return sqltext.Quote(identifier) }

func quoteAll(identifiers []string) string { return sqltext.QuoteEach(identifiers) }

func literal(text string) string { return sqltext.Literal(text) }
