package compat_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/plugin/dbresolver"
)

// Nobody can stop the goroutine of GORM's own store of prepared statements, nor close the pools of a resolver that
// failed to start.
func TestMain(m *testing.M) {
	stratumtest.Main(m, goleak.IgnoreAnyFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1"),
		goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

// Invoice is a tenant-owned model.
type Invoice struct {
	gormstratum.Tenant
	ID     uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
	Number string
}

// shop is a database with two tenants, of which the context's has one invoice.
type shop struct {
	*stratumtest.Database

	st  *core.Stratum
	ctx context.Context //nolint:containedctx // the tenant's
}

func newShop(t *testing.T) shop {
	t.Helper()
	st, database := stratumtest.Open(t)
	s := shop{Database: database, st: st}
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	s.use(t, db)
	require.NoError(t, gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{}))
	for _, slug := range []string{"other", "acme"} {
		tenant, err := st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug})
		require.NoError(t, err)
		s.ctx = core.WithTenant(t.Context(), tenant.ID) //nolint:fatcontext // the last one's is kept
		require.NoError(t, db.WithContext(s.ctx).Create(&Invoice{Number: slug}).Error)
	}
	return s
}

func (s shop) use(t *testing.T, db *gorm.DB) {
	t.Helper()
	require.NoError(t, db.Use(s.plugin()))
}

func (s shop) plugin() *gormstratum.Plugin {
	return gormstratum.New(s.st, gormstratum.Options{Models: []any{&Invoice{}}})
}

// resolver leads reads to the superuser, who sees all rows.
func (s shop) resolver(datas ...any) *dbresolver.DBResolver {
	return dbresolver.Register(dbresolver.Config{
		Sources:  []gorm.Dialector{postgres.Open(s.AdminDSN)},
		Replicas: []gorm.Dialector{postgres.Open(s.AdminDSN)},
	}, datas...)
}

// open opens the database without the plugin, as the superuser.
func (s shop) open(t *testing.T, configure func(*gorm.Config)) *gorm.DB {
	t.Helper()
	config := &gorm.Config{Logger: logger.Discard}
	configure(config)
	db, err := gorm.Open(postgres.Open(s.AdminDSN), config)
	require.NoError(t, err)
	return db
}

// closePools closes what a resolver has opened, and the pool of db.
func closePools(t *testing.T, db *gorm.DB, r *dbresolver.DBResolver) {
	t.Helper()
	closeOne := func(pool gorm.ConnPool) error {
		if closer, ok := pool.(interface{ Close() error }); ok {
			return closer.Close()
		}
		return nil
	}
	require.NoError(t, r.Call(closeOne))
	if pool, err := db.DB(); err == nil {
		require.NoError(t, pool.Close())
	}
}

func configurations() map[string]func(*gorm.Config) {
	return map[string]func(*gorm.Config){
		"default":     func(*gorm.Config) {},
		"PrepareStmt": func(c *gorm.Config) { c.PrepareStmt = true },
	}
}

func TestResolverBeforeUse(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for name, configure := range configurations() {
		db, resolver := s.open(t, configure), s.resolver()
		require.NoError(t, db.Use(resolver), name)
		err := db.Use(s.plugin())
		require.ErrorIs(t, err, gormstratum.ErrResolver, name)
		require.ErrorContains(t, err, "remove it")
		closePools(t, db, resolver)
	}
}

// The resolver opens its replicas with the plugins of the db, and so finds Stratum's in use.
func TestResolverAfterUse(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for name, configure := range configurations() {
		db, resolver := s.open(t, configure), s.resolver()
		s.use(t, db)
		require.ErrorIs(t, db.Use(resolver), gormstratum.ErrPool, name)
		s.guarded(t, db)
	}
}

// A resolver whose databases are configured later gets as far as leading statements.
func TestResolverConfiguredLater(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for name, configure := range configurations() {
		replica := s.open(t, func(*gorm.Config) {})
		pool, err := replica.DB()
		require.NoError(t, err)
		db := s.open(t, configure)
		s.use(t, db)
		// Without plugins to initialize, the resolver opens its pools.
		plugins := db.Plugins
		db.Plugins = map[string]gorm.Plugin{}
		resolver := dbresolver.Register(dbresolver.Config{
			Replicas: []gorm.Dialector{postgres.New(postgres.Config{Conn: pool})},
		}).Register(dbresolver.Config{
			Sources: []gorm.Dialector{postgres.New(postgres.Config{Conn: pool})},
		}, "elsewhere")
		require.NoError(t, db.Use(resolver), name)
		plugins[resolver.Name()] = resolver
		db.Plugins = plugins
		s.refused(t, db)
		require.NoError(t, pool.Close())
	}
}

// guarded holds that db serves the tenant its one invoice, whatever the clauses of the resolver say.
func (s shop) guarded(t *testing.T, db *gorm.DB) {
	t.Helper()
	for _, clauses := range [][]clause.Expression{
		nil, {dbresolver.Write}, {dbresolver.Read}, {dbresolver.Use("elsewhere")},
	} {
		var found []Invoice
		require.NoError(t, db.WithContext(s.ctx).Clauses(clauses...).Find(&found).Error)
		require.Len(t, found, 1)
		require.ErrorIs(t, db.WithContext(t.Context()).Clauses(clauses...).Find(&found).Error, core.ErrNoTenant)
	}
}

// refused holds that no statement runs on a connection of the resolver's, and that the error says what to do.
func (s shop) refused(t *testing.T, db *gorm.DB) {
	t.Helper()
	tenants := db.WithContext(s.ctx)
	var n int64
	var found []Invoice
	for name, err := range map[string]error{
		"Find":          tenants.Find(&found).Error,
		"Read":          tenants.Clauses(dbresolver.Read).Find(&found).Error,
		"Use":           tenants.Clauses(dbresolver.Use("elsewhere")).Find(&found).Error,
		"Use and Write": tenants.Clauses(dbresolver.Use("elsewhere"), dbresolver.Write).Find(&found).Error,
		"Raw":           tenants.Raw("SELECT count(*) FROM invoices").Scan(&n).Error,
		"Row":           tenants.Raw("SELECT count(*) FROM invoices").Row().Scan(&n),
		"no tenant":     db.WithContext(t.Context()).Find(&found).Error,
		"write there":   tenants.Clauses(dbresolver.Use("elsewhere")).Create(&Invoice{Number: "x"}).Error,
	} {
		require.Error(t, err, name)
		require.Empty(t, found, name)
		require.Zero(t, n, name)
		if name != "write there" {
			require.ErrorIs(t, err, gormstratum.ErrResolver, name)
		}
	}
	// What the resolver leads to the db's own pool is guarded: a transaction, and writes without a source.
	require.NoError(t, tenants.Transaction(func(tx *gorm.DB) error { return tx.Find(&found).Error }))
	require.Len(t, found, 1)
	require.ErrorIs(t, db.WithContext(t.Context()).Create(&Invoice{Number: "x"}).Error, core.ErrNoTenant)
}
