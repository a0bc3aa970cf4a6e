package gormstratum_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*gorm.Config){
		"default":                func(*gorm.Config) {},
		"PrepareStmt":            func(c *gorm.Config) { c.PrepareStmt = true },
		"SkipDefaultTransaction": func(c *gorm.Config) { c.SkipDefaultTransaction = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskModels(), configure)
			conform(t, d, d.db)
		})
	}
}

// The guarantee is that of the connection and the database, whatever the login and the protocol.
func TestConformanceOfConnections(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(*testing.T, desk) core.Options{
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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newStratum(t)
			d.st = d.openStratum(t, options(t, d))
			db := d.used(t, deskModels())
			require.NoError(t, migrate(t.Context(), db, uuid.Nil))
			conform(t, d, db)
		})
	}
}

// The boundary does not depend on what the plugin does to statements: with the guarded Dialector alone, no predicates,
// no stamping and no list of tables, every cell of the matrix is what it was. Only the system is refused by the
// database instead of by the plugin.
func TestConformanceWithoutPlugin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	conform(t, d, openDiscreet(t, d), func(p *conformance.Path) {
		if p.System != nil {
			p.System = core.ErrNoTenant
		}
	})
}

func conform(t *testing.T, d desk, db *gorm.DB, change ...func(*conformance.Path)) {
	t.Helper()
	paths := slices.Concat(readPaths(db), joinPaths(db), writePaths(db), upsertPaths(db), rawPaths(db))
	for i := range paths {
		for _, c := range change {
			c(&paths[i])
		}
	}
	conformance.Run(t, conformance.Suite{Stratum: d.st, AdminDSN: d.AdminDSN, Paths: paths})
}
