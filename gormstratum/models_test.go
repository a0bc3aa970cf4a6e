package gormstratum_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// The models of a ticket desk, as most tests of this package use them.
type (
	Ticket struct {
		gormstratum.Tenant
		ID       uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		Number   string    `gorm:"uniqueIndex"`
		Title    string
		Status   string `gorm:"index"`
		Comments []Comment
		Tags     []Tag `gorm:"many2many:ticket_tags"`
	}
	Comment struct {
		gormstratum.Tenant
		ID       uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		TicketID uuid.UUID `gorm:"type:uuid"`
		Ticket   *Ticket
		Body     string
	}
	Tag struct {
		gormstratum.Tenant
		ID    uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		Name  string    `gorm:"unique"`
		Title string
	}
)

func deskModels() []any { return []any{&Ticket{}, &Comment{}, &Tag{}, &Country{}} }

// desk is a migrated ticket desk.
type desk struct {
	*stratumtest.Database
	st *core.Stratum
	db *gorm.DB
}

// newDesk makes a database with the tables of models. configure may change what is passed to gorm.Open.
func newDesk(t *testing.T, models []any, configure ...func(*gorm.Config)) desk {
	t.Helper()
	d := newStratum(t)
	config := &gorm.Config{Logger: logger.Discard}
	for _, c := range configure {
		c(config)
	}
	db, err := gorm.Open(gormstratum.Open(d.st), config)
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(d.st, gormstratum.Options{Models: models})))
	require.NoError(t, gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{}))
	d.db = db
	return d
}

// newStratum makes a database with Stratum's schema, without tables.
func newStratum(t *testing.T) desk {
	t.Helper()
	st, database := stratumtest.Open(t)
	return desk{Database: database, st: st}
}

// newEmpty makes a database with nothing in it.
func newEmpty(t *testing.T) desk {
	t.Helper()
	d := desk{Database: stratumtest.EmptyDatabase(t)}
	d.st = d.openStratum(t, d.Options())
	return d
}

// openStratum opens a handle of the test's own.
func (d desk) openStratum(t *testing.T, options core.Options) *core.Stratum {
	t.Helper()
	st, err := core.Open(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

// tenant makes a tenant and returns its context.
func (d desk) tenant(t *testing.T, slug string) context.Context {
	t.Helper()
	tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug})
	require.NoError(t, err)
	return core.WithTenant(t.Context(), tenant.ID)
}

// asSystemContext is a context that sees all tenants.
func asSystemContext(t *testing.T) context.Context {
	t.Helper()
	return core.AsSystem(t.Context(), "a test")
}

// exec runs SQL past Stratum.
func (d desk) exec(t *testing.T, dsn, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.PgConn().Exec(t.Context(), statements).ReadAll()
	require.NoError(t, err, statements)
}

// value is the one number that a query past all policies returns.
func (d desk) value(t *testing.T, query string, args ...any) int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.AdminDSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	var n int64
	require.NoError(t, conn.QueryRow(t.Context(), query, args...).Scan(&n), query)
	return n
}

// count is how many rows of a table are the tenant's.
func (d desk) count(t *testing.T, table string, tenant uuid.UUID) int64 {
	t.Helper()
	return d.value(t, "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()+" WHERE tenant_id = $1", tenant)
}

// sqlOf is the text of a statement that is not sent.
func sqlOf(ctx context.Context, db *gorm.DB, build func(*gorm.DB) *gorm.DB) string {
	dry := db.Session(&gorm.Session{Context: ctx, DryRun: true, SkipDefaultTransaction: true})
	return build(dry).Statement.SQL.String()
}
