package gormstratum_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/conformance"
	"github.com/stratum-hq/stratum-go/internal/pgbouncer"
)

// allPaths are the ways to the database that the suite takes.
func allPaths(db *gorm.DB) []conformance.Path {
	return slices.Concat(
		readPaths(db), joinPaths(db), writePaths(db), upsertPaths(db), rawPaths(db),
		queryPaths(db), transactionPaths(db), genericPaths(db), relationReadPaths(db), relationWritePaths(db),
		createPaths(db), changePaths(db), sqlReadPaths(db), sqlWritePaths(db), plainPaths(db), qualifiedPaths(db),
	)
}

// enoughPaths is what the suite promises.
const enoughPaths = 200

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*gorm.Config){
		"default":                func(*gorm.Config) {},
		"PrepareStmt":            func(c *gorm.Config) { c.PrepareStmt = true },
		"SkipDefaultTransaction": func(c *gorm.Config) { c.SkipDefaultTransaction = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newStratum(t)
			conform(t, d, openConformance(t, d.st, configure))
		})
	}
}

// connections are the logins, protocols and poolers that the suite runs over. Each is a change of core.Options.
func connections() map[string]func(*testing.T, desk) core.Options {
	return map[string]func(*testing.T, desk) core.Options{
		"superuser": func(_ *testing.T, d desk) core.Options {
			return core.Options{DSN: d.AdminDSN, Logger: quiet()}
		},
		"simple protocol": func(t *testing.T, d desk) core.Options {
			t.Helper()
			o := d.Options()
			o.DSN = withOption(t, d.DSN, "default_query_exec_mode", "simple_protocol")
			o.SystemDSN = withOption(t, d.SystemDSN, "default_query_exec_mode", "simple_protocol")
			return o
		},
		"hardened": func(_ *testing.T, d desk) core.Options {
			o := d.Options()
			o.Hardened = true
			return o
		},
		"PgBouncer": func(t *testing.T, d desk) core.Options {
			t.Helper()
			o := d.Options()
			o.DSN, o.SystemDSN = behindPooler(t, o.DSN, o.SystemDSN)
			return o
		},
	}
}

// behindPooler returns DSNs that lead through a PgBouncer in transaction mode.
func behindPooler(t *testing.T, dsn, systemDSN string) (pooledDSN, pooledSystemDSN string) {
	t.Helper()
	bouncer, err := pgbouncer.Start(t.Context(), pgbouncer.Options{DSNs: []string{dsn, systemDSN}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bouncer.Close()) })
	return bouncer.DSN(dsn), bouncer.DSN(systemDSN)
}

// The guarantee is that of the connection and the database, whatever the login and the protocol.
func TestConformanceOfConnections(t *testing.T) {
	t.Parallel()
	for name, options := range connections() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newStratum(t)
			d.st = d.openStratum(t, options(t, d))
			require.NoError(t, d.st.Migrate(t.Context()), "the hardened mode begins with it")
			conform(t, d, openConformance(t, d.st), func(p *conformance.Path) bool {
				if name == "hardened" && refusedHardened(p.Name) {
					p.Tenant = core.ErrCommand
				}
				return true
			})
		})
	}
}

// refusedHardened reports whether the hardened mode refuses a path: see docs/hardened.md.
func refusedHardened(path string) bool {
	return path == "Exec of a DO block" || path == "ON CONFLICT with WHERE"
}

// The boundary does not depend on what the plugin does to statements: with the guarded Dialector alone, no predicates,
// no stamping and no list of tables, every cell of the matrix is what it was. Only the system is refused by the
// database instead of by the plugin, and a few paths need the plugin to work at all.
func TestConformanceWithoutPlugin(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	openConformance(t, d.st)
	db := openDiscreet(t, d)
	require.NoError(t, db.SetupJoinTable(&Person{}, "Watched", &Watcher{}))
	const noIDs = "GORM does not read the new id where a column with a default was given a value and DO NOTHING is in place"
	needsPlugin := map[string]string{
		"ON CONFLICT of a rewritten key": "the plugin rewrites its columns",
		"Append to a many2many":          noIDs, "Replace a many2many": noIDs, "Append through a join model": noIDs,
	}
	conform(t, d, db, func(p *conformance.Path) bool {
		if p.System != nil {
			p.System = core.ErrNoTenant
		}
		return needsPlugin[p.Name] == ""
	})
}

// conform runs the suite over the paths that each of keep returns true for, and may change.
func conform(t *testing.T, d desk, db *gorm.DB, keep ...func(*conformance.Path) bool) {
	t.Helper()
	paths := allPaths(db)
	for i := range paths {
		for _, k := range keep {
			if !k(&paths[i]) {
				paths[i].Name = ""
			}
		}
	}
	paths = slices.DeleteFunc(paths, func(p conformance.Path) bool { return p.Name == "" })
	require.GreaterOrEqual(t, len(paths), enoughPaths)
	conformance.Run(t, conformance.Suite{Stratum: d.st, AdminDSN: d.AdminDSN, Paths: paths})
}
