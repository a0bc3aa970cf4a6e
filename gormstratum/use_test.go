package gormstratum_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", for an application's own pool
	"github.com/stretchr/testify/require"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// office is a migrated desk with a tenant that has one ticket. Tests open it once more in ways of their own.
type office struct {
	desk

	ctx    context.Context //nolint:containedctx // the tenant's
	id     uuid.UUID       // the tenant's
	ticket uuid.UUID
}

func newOffice(t *testing.T) office {
	t.Helper()
	o := office{desk: newDesk(t, deskModels())}
	o.ctx = o.tenant(t, "acme")
	o.id, _ = core.TenantFrom(o.ctx)
	ticket := Ticket{Number: "T-1", Title: "printer"}
	require.NoError(t, o.db.WithContext(o.ctx).Create(&ticket).Error)
	o.ticket = ticket.ID
	return o
}

// open opens the office's database through a dialector, without the plugin.
func (o office) open(t *testing.T, dialector gorm.Dialector, configure ...func(*gorm.Config)) *gorm.DB {
	t.Helper()
	config := &gorm.Config{Logger: logger.Discard}
	for _, c := range configure {
		c(config)
	}
	db, err := gorm.Open(dialector, config)
	require.NoError(t, err)
	pool, err := db.DB()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return db
}

func (o office) use(t *testing.T, db *gorm.DB) {
	t.Helper()
	require.NoError(t, db.Use(gormstratum.New(o.st, gormstratum.Options{Models: deskModels()})))
}

// guarded holds that a session serves the tenant its one ticket, and nobody else anything.
func (o office) guarded(t *testing.T, session *gorm.DB) {
	t.Helper()
	var tickets []Ticket
	require.NoError(t, session.WithContext(o.ctx).Find(&tickets).Error)
	require.Len(t, tickets, 1)
	require.ErrorIs(t, session.WithContext(t.Context()).Find(&tickets).Error, core.ErrNoTenant)
	require.ErrorIs(t, session.WithContext(t.Context()).Exec("DELETE FROM tickets").Error, core.ErrNoTenant)
	// These begin a transaction, before anything else.
	require.NoError(t, session.WithContext(o.ctx).Model(&Ticket{ID: o.ticket}).Update("status", "seen").Error)
	require.NoError(t, session.WithContext(o.ctx).Delete(&Comment{ID: o.ticket}).Error)
	require.ErrorIs(t, session.WithContext(o.ctx).Create(&Country{Code: "CH"}).Error, core.ErrPermission)
	var count int64
	require.NoError(t, session.WithContext(o.ctx).Raw("SELECT count(*) FROM tickets").Scan(&count).Error)
	require.Equal(t, int64(1), count)
}

func TestUse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for name, test := range map[string]func(*testing.T, office){
		"Dialector of this package":     useOwnDialector,
		"postgres.Open":                 useDSN,
		"pool of the application":       useForeignPool,
		"driver by name":                useDriverName,
		"PrepareStmt":                   usePrepared,
		"sessions made before":          useOlderSessions,
		"prepared sessions before":      useOlderPrepared,
		"transactions begun before":     useOlderTransactions,
		"twice":                         useTwice,
		"by two handles of gorm":        usePluginTwice,
		"on a session":                  useOnSession,
		"on another database's":         useOtherDialector,
		"ConnPool set by hand":          useConnPool,
		"another plugin swaps the pool": useSwappedPool,
		"ways after it":                 useEveryWay,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

func useOwnDialector(t *testing.T, o office) {
	t.Helper()
	db, err := gorm.Open(gormstratum.Open(o.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.ErrorIs(t, db.Find(&[]Ticket{}).Error, core.ErrNoTenant, "guarded before Use, too")
	require.ErrorIs(t, db.AutoMigrate(&Ticket{}), gormstratum.ErrAutoMigrate)
	o.use(t, db)
	o.guarded(t, db)
	pool, err := db.DB()
	require.NoError(t, err)
	require.Same(t, o.st.DB(), pool)
}

func useDSN(t *testing.T, o office) {
	t.Helper()
	db := o.open(t, postgres.Open(o.AdminDSN))
	old, err := db.DB()
	require.NoError(t, err)
	o.use(t, db)
	o.guarded(t, db)
	require.ErrorContains(t, old.PingContext(t.Context()), "closed", "nobody may still read through the old pool")
	require.ErrorIs(t, db.WithContext(o.ctx).AutoMigrate(&Ticket{}), gormstratum.ErrAutoMigrate)
	pool, err := db.DB()
	require.NoError(t, err)
	require.Same(t, o.st.DB(), pool)
}

func useForeignPool(t *testing.T, o office) {
	t.Helper()
	own, err := sql.Open("pgx", o.AdminDSN)
	require.NoError(t, err)
	db := o.open(t, postgres.New(postgres.Config{Conn: own}))
	o.use(t, db)
	o.guarded(t, db)
	require.NoError(t, own.PingContext(t.Context()), "the application's own pool is left open")
}

func useDriverName(t *testing.T, o office) {
	t.Helper()
	db := o.open(t, *postgres.New(postgres.Config{DriverName: "pgx", DSN: o.AdminDSN}).(*postgres.Dialector))
	old, err := db.DB()
	require.NoError(t, err)
	o.use(t, db)
	o.guarded(t, db)
	require.ErrorContains(t, old.PingContext(t.Context()), "closed")
}

func usePrepared(t *testing.T, o office) {
	t.Helper()
	db := o.open(t, postgres.Open(o.AdminDSN), func(c *gorm.Config) { c.PrepareStmt = true })
	// A statement that is prepared on the old pool would be found by its text.
	require.NoError(t, db.Find(&[]Ticket{}).Error)
	session := db.WithContext(o.ctx)
	o.use(t, db)
	o.guarded(t, db)
	o.guarded(t, session)
	pool, err := db.DB()
	require.NoError(t, err)
	require.Same(t, o.st.DB(), pool)
}

func useOlderSessions(t *testing.T, o office) {
	t.Helper()
	db := o.open(t, postgres.Open(o.AdminDSN))
	for name, session := range map[string]*gorm.DB{
		"WithContext": db.WithContext(o.ctx),
		"Session":     db.Session(&gorm.Session{}),
		"NewDB":       db.Session(&gorm.Session{NewDB: true, Context: o.ctx}),
		"Debug":       db.Debug().Session(&gorm.Session{Logger: logger.Discard}),
		"PrepareStmt": db.Session(&gorm.Session{PrepareStmt: true}),
	} {
		t.Run(name, func(t *testing.T) {
			o.guardedLater(t, session)
		})
	}
	o.use(t, db)
}

// guardedLater looks at a session when the test around it is over, and with it Use.
func (o office) guardedLater(t *testing.T, session *gorm.DB) {
	t.Helper()
	t.Parallel()
	o.guarded(t, session)
	require.Error(t, session.WithContext(t.Context()).Transaction(func(*gorm.DB) error { return nil }))
	require.Error(t, session.WithContext(t.Context()).AutoMigrate(&Country{}))
}

func useOlderPrepared(t *testing.T, o office) {
	t.Helper()
	own, err := sql.Open("pgx", o.AdminDSN)
	require.NoError(t, err)
	db := o.open(t, postgres.New(postgres.Config{Conn: own}))
	session := db.Session(&gorm.Session{PrepareStmt: true})
	require.NoError(t, session.Find(&[]Ticket{}).Error, "prepared without a guard")
	o.use(t, db)
	o.guarded(t, session)
	o.guarded(t, db.Session(&gorm.Session{PrepareStmt: true}))
	err = session.WithContext(o.ctx).Transaction(func(tx *gorm.DB) error { return tx.Find(&[]Ticket{}).Error })
	require.ErrorIs(t, err, gormstratum.ErrPool, "its transactions begin on the application's pool")
	require.NoError(t, db.Session(&gorm.Session{PrepareStmt: true, Context: o.ctx}).Transaction(func(tx *gorm.DB) error {
		return tx.Find(&[]Ticket{}).Error
	}))
}

func useOlderTransactions(t *testing.T, o office) {
	t.Helper()
	own, err := sql.Open("pgx", o.AdminDSN)
	require.NoError(t, err)
	db := o.open(t, postgres.New(postgres.Config{Conn: own}))
	tx := db.WithContext(o.ctx).Begin()
	require.NoError(t, tx.Error)
	defer tx.Rollback()
	prepared := tx.Session(&gorm.Session{PrepareStmt: true})
	conn, err := own.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	o.use(t, db)

	var n int
	require.ErrorIs(t, tx.Find(&[]Ticket{}).Error, gormstratum.ErrPool)
	require.ErrorIs(t, prepared.Find(&[]Ticket{}).Error, gormstratum.ErrPool)
	require.ErrorIs(t, tx.Create(&Ticket{Number: "T-9"}).Error, gormstratum.ErrPool)
	require.ErrorIs(t, tx.Exec("DELETE FROM tickets").Error, gormstratum.ErrPool)
	require.ErrorIs(t, tx.Raw("SELECT 1").Row().Scan(&n), gormstratum.ErrPool, "and no panic")
	_, err = tx.Raw("SELECT 1").Rows() //nolint:rowserrcheck,sqlclosecheck // there are none
	require.ErrorIs(t, err, gormstratum.ErrPool)
	onConn := db.Session(&gorm.Session{Context: o.ctx})
	onConn.Statement.ConnPool = conn
	require.ErrorIs(t, onConn.Find(&[]Ticket{}).Error, gormstratum.ErrPool)
}

func useTwice(t *testing.T, o office) {
	t.Helper()
	db := o.open(t, postgres.Open(o.DSN))
	o.use(t, db)
	require.ErrorIs(t, db.Use(gormstratum.New(o.st, gormstratum.Options{Models: deskModels()})), gorm.ErrRegistered)
	o.guarded(t, db)
}

func usePluginTwice(t *testing.T, o office) {
	t.Helper()
	plugin := gormstratum.New(o.st, gormstratum.Options{Models: deskModels()})
	first, second := o.open(t, postgres.Open(o.DSN)), o.open(t, postgres.Open(o.DSN))
	require.NoError(t, first.Use(plugin))
	require.ErrorContains(t, second.Use(plugin), "call gormstratum.New for each")
	o.guarded(t, first)
}

func useOnSession(t *testing.T, o office) {
	t.Helper()
	db := o.open(t, postgres.Open(o.DSN))
	plugin := gormstratum.New(o.st, gormstratum.Options{Models: deskModels()})
	for _, session := range []*gorm.DB{db.WithContext(o.ctx), db.Session(&gorm.Session{}), db.Debug()} {
		require.ErrorIs(t, session.Use(plugin), gormstratum.ErrPool)
	}
	require.NoError(t, db.Transaction(func(tx *gorm.DB) error {
		require.ErrorIs(t, tx.Use(plugin), gormstratum.ErrPool)
		return tx.Exec("SELECT 1").Error
	}), "a refused Use leaves all as it was")
	require.NoError(t, db.Use(plugin))
	o.guarded(t, db)
}

// otherDialector is some other database's.
type otherDialector struct{ gorm.Dialector }

func useOtherDialector(t *testing.T, o office) {
	t.Helper()
	db := o.open(t, otherDialector{postgres.Open(o.DSN)})
	err := db.Use(gormstratum.New(o.st))
	require.ErrorIs(t, err, gormstratum.ErrDialector)
	require.ErrorContains(t, err, "gormstratum.Open(st)")
}

// foreignPool is a pool that is no *sql.DB.
type foreignPool struct{ gorm.ConnPool }

func useConnPool(t *testing.T, o office) {
	t.Helper()
	own, err := sql.Open("pgx", o.AdminDSN)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.Close()) })
	wrapped, err := gorm.Open(postgres.New(postgres.Config{Conn: foreignPool{own}}), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.ErrorIs(t, wrapped.Use(gormstratum.New(o.st)), gormstratum.ErrPool)

	session := o.db.Session(&gorm.Session{Context: o.ctx})
	session.Statement.ConnPool = foreignPool{own}
	require.ErrorIs(t, session.Find(&[]Ticket{}).Error, gormstratum.ErrPool)
	session.Statement.ConnPool = own
	o.guarded(t, session)
}

// useSwappedPool has a callback of its own put the application's pool in the place of the guarded one, as plugins for
// read replicas do.
func useSwappedPool(t *testing.T, o office) {
	t.Helper()
	own, err := sql.Open("pgx", o.AdminDSN)
	require.NoError(t, err)
	db := o.open(t, postgres.New(postgres.Config{Conn: own}))
	o.use(t, db)
	swap := func(db *gorm.DB) { db.Statement.ConnPool = own }
	require.NoError(t, db.Callback().Query().Before("*").Register("replica", swap))
	require.NoError(t, db.Callback().Raw().Before("*").Register("replica", swap))
	o.guarded(t, db)
	require.NoError(t, db.Callback().Create().Before("gorm:begin_transaction").Register("replica", swap))
	require.NoError(t, db.Callback().Update().Before("gorm:begin_transaction").Register("replica", swap))
	require.NoError(t, db.Callback().Delete().Before("gorm:begin_transaction").Register("replica", swap))
	db = db.WithContext(o.ctx)
	require.ErrorIs(t, db.Create(&Ticket{Number: "T-2"}).Error, gormstratum.ErrPool, "the transaction is foreign")
	require.ErrorIs(t, db.Model(&Ticket{ID: o.ticket}).Update("title", "x").Error, gormstratum.ErrPool)
	require.ErrorIs(t, db.Delete(&Ticket{ID: o.ticket}).Error, gormstratum.ErrPool)
}

func useEveryWay(t *testing.T, o office) {
	t.Helper()
	for name, session := range map[string]*gorm.DB{
		"the db itself":          o.db,
		"Session":                o.db.Session(&gorm.Session{}),
		"PrepareStmt":            o.db.Session(&gorm.Session{PrepareStmt: true}),
		"SkipHooks":              o.db.Session(&gorm.Session{SkipHooks: true}),
		"SkipDefaultTransaction": o.db.Session(&gorm.Session{SkipDefaultTransaction: true}),
		"Set":                    o.db.Set("key", "value"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.guarded(t, session.Session(&gorm.Session{}))
			require.NoError(t, session.WithContext(o.ctx).Connection(func(tx *gorm.DB) error {
				return tx.Transaction(func(tx *gorm.DB) error { return tx.First(&Ticket{}, "id = ?", o.ticket).Error })
			}))
			require.ErrorIs(t, session.WithContext(t.Context()).Transaction(func(*gorm.DB) error { return nil }),
				core.ErrNoTenant)
		})
	}
}

// Two handles serve two databases in one process, and neither knows of the other's tables.
func TestTwoHandles(t *testing.T) {
	t.Parallel()
	first, second := newOffice(t), newDesk(t, []any{&Country{}})
	first.guarded(t, first.db)
	require.ErrorIs(t, second.db.WithContext(second.tenant(t, "bolt")).Find(&[]Ticket{}).Error, gormstratum.ErrModel)
	require.ErrorIs(t, second.db.WithContext(first.ctx).Find(&[]Country{}).Error, core.ErrTenantUnknown)

	// The plugin's handle wins over the dialector's.
	db, err := gorm.Open(gormstratum.Open(second.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	first.use(t, db)
	first.guarded(t, db)
	require.NoError(t, second.st.DB().PingContext(t.Context()), "a pool of Stratum's is not closed")
}

// Before Migrate there is no schema stratum. GORM closes a pool that does not answer its first ping.
func TestOpenBeforeMigrate(t *testing.T) {
	t.Parallel()
	d := newEmpty(t)
	db, err := gorm.Open(gormstratum.Open(d.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(d.st, gormstratum.Options{Models: []any{&Country{}}})))
	require.ErrorIs(t, gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{}), core.ErrNotInstalled)
	require.NoError(t, d.st.Migrate(t.Context()))
	require.NoError(t, gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{}))
	require.NoError(t, db.WithContext(d.tenant(t, "acme")).Find(&[]Country{}).Error)
}

func TestMigrateWithoutUse(t *testing.T) {
	t.Parallel()
	d := newEmpty(t)
	db, err := gorm.Open(gormstratum.Open(d.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.ErrorIs(t, gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{}), gormstratum.ErrNotUsed)
	require.NoError(t, db.Use(gormstratum.New(d.st)))
	err = gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{})
	require.ErrorIs(t, err, gormstratum.ErrModel)
	require.ErrorContains(t, err, "Options.Models is empty")
}
