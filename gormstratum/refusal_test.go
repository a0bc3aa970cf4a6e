package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/gormstratum"
)

// The refusals here are those that no other test is about; see internal/mutants.

type (
	// Guild and Smith are joined by a model of the application's own.
	Guild struct {
		gormstratum.Tenant
		ID     uint
		Smiths []Smith `gorm:"many2many:guild_smiths"`
	}
	Smith struct {
		gormstratum.Tenant
		ID uint
	}
	// GuildSmith would have rows that are everyone's.
	GuildSmith struct {
		gormstratum.OwnOrGlobal
		GuildID uint `gorm:"primaryKey"`
		SmithID uint `gorm:"primaryKey"`
	}
)

// A row of a join table that is everyone's would join the rows of no tenant.
func TestJoinModelOfEveryone(t *testing.T) {
	t.Parallel()
	d := newEmpty(t)
	db := openDiscreet(t, d)
	require.NoError(t, db.SetupJoinTable(&Guild{}, "Smiths", &GuildSmith{}))
	err := db.Use(gormstratum.New(d.st, gormstratum.Options{Models: []any{&Guild{}, &Smith{}}}))
	require.ErrorIs(t, err, gormstratum.ErrModel)
	require.ErrorContains(t, err, "GuildSmith is a join table and has rows of everyone (embed gormstratum.Tenant")
}

// A dialector that was put in after Use has connections of its own, and migrates nothing.
func TestMigrateOnAnotherDialector(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	d.db.Dialector = plainDialector(d.AdminDSN)
	require.ErrorIs(t, migrate(t.Context(), d.db, uuid.Nil), gormstratum.ErrDialector)
}
