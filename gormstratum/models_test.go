package gormstratum_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
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
	d := newEmpty(t)
	require.NoError(t, d.st.Migrate(t.Context()))
	return d
}

// newEmpty makes a database with nothing in it.
func newEmpty(t *testing.T) desk {
	t.Helper()
	d := desk{Database: stratumtest.EmptyDatabase(t)}
	st, err := core.Open(t.Context(), core.Options{
		DSN: d.DSN, OwnerDSN: d.OwnerDSN, SystemDSN: d.SystemDSN, Logger: quiet(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	d.st = st
	return d
}

// tenant makes a tenant and returns its context.
func (d desk) tenant(t *testing.T, slug string) context.Context {
	t.Helper()
	tenant, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: slug, Slug: slug})
	require.NoError(t, err)
	return core.WithTenant(t.Context(), tenant.ID)
}
