package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Config says what is looked at.
type Config struct {
	// Roles are the roles that statements run as.
	Roles install.Roles
	// DataLogin, SystemLogin and OwnerLogin are the logins of the three DSNs. With one DSN they are the same.
	DataLogin, SystemLogin, OwnerLogin string
	// SearchPath are the schemas in which declared tables without a schema are looked for, in order.
	SearchPath []string
	// Declared are the tables as models declare them. Without models it is nil, and what Migrate recorded counts.
	Declared []tables.Table
	// Hardened says that the application asked for hardened mode: what it lacks then breaks the boundary.
	Hardened bool
	// Citus says that the tables are distributed: policies have no sub-select there.
	Citus bool
}

// observed are those that a tenant's SQL acts as, or could go back to being.
func (c Config) observed() []string {
	return []string{c.Roles.Tenant, c.Roles.Subtree, c.Roles.Schema, c.DataLogin}
}

// columns are the names of tenant columns that models declare, and the default.
func (c Config) columns() []string {
	names := []string{tables.DefaultColumn}
	for _, t := range c.Declared {
		if t.Column != "" && !slices.Contains(names, t.Column) {
			names = append(names, t.Column)
		}
	}
	return names
}

// Run looks at the database through tx, which must be able to switch to the system role: that role reads what Migrate
// recorded, and the catalog is open to all. It sets the role and settings of tx and changes nothing else; a READ ONLY
// transaction will do. The number of statements does not depend on what there is in the database.
func Run(ctx context.Context, tx pgx.Tx, c Config) (*Report, error) {
	// Names in what the server prints are qualified only where the search_path does not lead to them. And compiling a
	// statement that runs once takes longer than running it.
	var set string
	err := tx.QueryRow(ctx, `SELECT pg_catalog.concat(pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
		pg_catalog.set_config('jit', 'off', true), pg_catalog.set_config('role', $1, true))`,
		pgx.QueryExecModeExec, c.Roles.System).Scan(&set)
	if err != nil {
		return nil, fmt.Errorf("stratum: verify: %w", err)
	}
	cat, err := read(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	l := newLook(c, cat)
	for _, rule := range []func(){
		l.checkTables, l.checkKeys, l.checkRights, l.checkDatabase, l.checkViews, l.checkFunctions, l.checkRoles,
		l.checkLogins, l.checkModels, l.checkPosture,
	} {
		rule()
	}
	l.report.sort()
	return l.report, nil
}
