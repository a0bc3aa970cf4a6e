package gormstratum_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// resolver does what gorm.io/plugin/dbresolver does to a statement. The module internal/compat has the real one.
type resolver struct{ replica gorm.ConnPool }

// Name is the plugin's name.
func (resolver) Name() string { return "gorm:db_resolver" }

// Initialize is called by db.Use.
func (r resolver) Initialize(db *gorm.DB) error {
	const name = "gorm:db_resolver"
	lead := func(db *gorm.DB) {
		if _, isTx := db.Statement.ConnPool.(gorm.TxCommitter); !isTx {
			db.Statement.ConnPool = r.replica
		}
	}
	c := db.Callback()
	for _, err := range []error{
		c.Query().Before("*").Register(name, lead), c.Row().Before("*").Register(name, lead),
		c.Raw().Before("*").Register(name, lead), c.Create().Before("*").Register(name, lead),
		c.Update().Before("*").Register(name, lead), c.Delete().Before("*").Register(name, lead),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// A resolver after Use: no statement reaches its pools, and none goes elsewhere in silence.
func TestResolverAfterUse(t *testing.T) {
	t.Parallel()
	for name, pool := range map[string]func(*sql.DB) gorm.ConnPool{
		"a pool":          func(p *sql.DB) gorm.ConnPool { return p },
		"a prepared pool": func(p *sql.DB) gorm.ConnPool { return gorm.NewPreparedStmtDB(p, 10, 0) },
		"something else":  func(p *sql.DB) gorm.ConnPool { return foreignPool{p} },
	} {
		o := newOffice(t)
		own, err := sql.Open("pgx", o.AdminDSN)
		require.NoError(t, err)
		replica := pool(own)
		require.NoError(t, o.db.Use(resolver{replica}))
		db := o.db.WithContext(o.ctx)
		var n int
		rows, err := db.Raw("SELECT 1").Rows() //nolint:rowserrcheck // there are none
		require.Nil(t, rows)
		for way, err := range map[string]error{
			"Find": db.Find(&[]Ticket{}).Error, "Row": db.Raw("SELECT 1").Row().Scan(&n), "Rows": err,
			"Exec":   db.Exec("UPDATE tickets SET title = 'x'").Error,
			"Create": db.Create(&Ticket{Number: "T-9"}).Error,
			"Update": db.Model(&Ticket{ID: o.ticket}).Update("title", "x").Error,
			"Delete": db.Delete(&Ticket{ID: o.ticket}).Error,
		} {
			if name == "something else" {
				require.ErrorIs(t, err, gormstratum.ErrPool, way)
			} else {
				require.ErrorIs(t, err, gormstratum.ErrResolver, name+", "+way)
			}
		}
		require.NoError(t, db.Transaction(func(tx *gorm.DB) error { return tx.First(&Ticket{}, "id = ?", o.ticket).Error }),
			"a transaction begins on the guarded pool")
		require.Equal(t, int64(1), o.value(t, "SELECT count(*) FROM tickets WHERE title = 'printer'"))
		require.NoError(t, own.Close())
	}
}

func TestResolverBeforeUse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	db := o.open(t, postgres.Open(o.AdminDSN))
	require.NoError(t, db.Use(resolver{db.ConnPool}))
	err := db.Use(gormstratum.New(o.st, gormstratum.Options{Models: deskModels()}))
	require.ErrorIs(t, err, gormstratum.ErrResolver)
	require.ErrorContains(t, err, "core.Open on the replica's DSN")
	require.NoError(t, db.Exec("SELECT 1").Error, "a refused Use leaves all as it was")
}

// The cure that ErrResolver names: a second handle, here on connections that only read, as a replica's do.
func TestSecondHandleThatReads(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	options := o.Options()
	options.DSN = withOption(t, options.DSN, "default_transaction_read_only", "on")
	options.SystemDSN = withOption(t, options.SystemDSN, "default_transaction_read_only", "on")
	replica := o.openStratum(t, options)
	db, err := gorm.Open(gormstratum.Open(replica), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(replica, gormstratum.Options{Models: deskModels()})))
	var tickets []Ticket
	require.NoError(t, db.WithContext(o.ctx).Preload("Comments").Find(&tickets).Error)
	require.Len(t, tickets, 1)
	require.ErrorIs(t, db.Find(&tickets).Error, core.ErrNoTenant)
	require.ErrorContains(t, db.WithContext(o.ctx).Create(&Ticket{Number: "T-2"}).Error, "read-only")
}
