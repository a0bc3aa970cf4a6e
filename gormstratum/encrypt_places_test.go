package gormstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// member is in every kind of place.
type member struct {
	gormstratum.Tenant
	ID    uint
	Name  string
	Email string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,normalize=casefold"`
}

// newClub has tenants in shared tables, with schemas and with databases of their own, here and at a satellite.
func newClub(t *testing.T) (d desk, tenants []core.Tenant) {
	t.Helper()
	d = newStratum(t)
	options := d.Options()
	var err error
	options.KEK, err = fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(t, err)
	d.st = d.openStratum(t, options)
	d.db = d.used(t, []any{&member{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), d.db, gormstratum.MigrateOptions{}))
	conformance.Register(t, d.st, "eu1")
	for _, placement := range []string{"home", "eu1"} {
		tenants = append(tenants, conformance.EveryIsolation(t, d.st, placement, placement)...)
	}
	return d, tenants
}

// TestEncryptedEverywhere: wherever a tenant's rows are, they are sealed with its keys, which the registry alone has.
func TestEncryptedEverywhere(t *testing.T) {
	t.Parallel()
	d, tenants := newClub(t)
	for _, tenant := range tenants {
		db := d.db.WithContext(core.WithTenant(t.Context(), tenant.ID))
		require.NoError(t, db.Create(&member{Name: tenant.Slug, Email: "Ann@" + secret}).Error, tenant.Slug)
		require.ErrorIs(t, db.Create(&member{Email: "ann@" + secret}).Error, core.ErrDuplicateKey, tenant.Slug)
		require.NoError(t, db.Transaction(func(tx *gorm.DB) error {
			return tx.Create(&member{Name: "b", Email: "b@" + secret}).Error
		}), tenant.Slug)
		_, err := d.st.Keys.Rotate(t.Context(), tenant.ID)
		require.NoError(t, err)
	}
	encrypted, err := gormstratum.EncryptedTables(d.db)
	require.NoError(t, err)
	report, err := d.st.Keys.Reencrypt(t.Context(), core.ReencryptOptions{Tables: encrypted})
	require.NoError(t, err)
	require.EqualValues(t, 2*len(tenants), report.Rows)
	for _, tenant := range tenants {
		ctx := core.WithTenant(t.Context(), tenant.ID)
		var found member
		require.NoError(t, d.db.WithContext(ctx).Where("email = ?", "ANN@"+secret).First(&found).Error, tenant.Slug)
		require.Equal(t, "Ann@"+secret, found.Email, tenant.Slug)
		var stored []byte
		require.NoError(t, d.st.DB().QueryRowContext(ctx, "SELECT email FROM members WHERE name = $1", tenant.Slug).Scan(&stored))
		h, err := fieldcrypt.ParseHeader(stored)
		require.NoError(t, err)
		require.EqualValues(t, 2, h.Version)
	}
	require.Zero(t, d.value(t, "SELECT count(*) - 2 * $1 FROM stratum.tenant_keys WHERE kind = 'data'", len(tenants)))
	_, err = d.st.Keys.Shred(t.Context(), tenants[len(tenants)-1].ID, core.ShredOptions{})
	require.NoError(t, err)
	for i, tenant := range tenants {
		err := d.db.WithContext(core.WithTenant(t.Context(), tenant.ID)).First(&member{}).Error
		if i == len(tenants)-1 {
			require.ErrorIs(t, err, core.ErrShredded, tenant.Slug)
		} else {
			require.NoError(t, err, tenant.Slug)
		}
	}
}

// The members before, and on the way, in the two forms that the word plain has.
type (
	memberBefore struct {
		gormstratum.Tenant
		ID    uint
		Name  string
		Email string `gorm:"not null"`
	}
	memberBeside struct {
		gormstratum.Tenant
		ID    uint
		Name  string
		Email string `gorm:"column:email_sealed;serializer:encrypted;uniqueIndex" stratum:"searchable,plain=email,label=members.email"`
	}
	memberBesideAfter struct {
		gormstratum.Tenant
		ID    uint
		Name  string
		Email string `gorm:"column:email_sealed;serializer:encrypted;uniqueIndex" stratum:"searchable,label=members.email"`
	}
	memberMoving struct {
		gormstratum.Tenant
		ID    uint
		Name  string
		Email string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,plain"`
	}
)

func (memberBefore) TableName() string      { return "members" }
func (memberBeside) TableName() string      { return "members" }
func (memberBesideAfter) TableName() string { return "members" }
func (memberMoving) TableName() string      { return "members" }

// TestEncryptInPlaceEverywhere: a column beside the one with values goes to every place, with Fleet.Migrate, and takes
// its place there; a column that would have to be renamed everywhere at once is refused.
func TestEncryptInPlaceEverywhere(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	options := d.Options()
	var err error
	options.KEK, err = fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(t, err)
	d.st = d.openStratum(t, options)
	d.db = d.used(t, []any{&memberBefore{}})
	require.NoError(t, gormstratum.Migrate(t.Context(), d.db, gormstratum.MigrateOptions{}))
	conformance.Register(t, d.st, "eu1")
	tenants := append(conformance.EveryIsolation(t, d.st, "home", "home"), conformance.EveryIsolation(t, d.st, "eu1", "eu1")...)
	for _, tenant := range tenants {
		db := d.db.WithContext(core.WithTenant(t.Context(), tenant.ID))
		require.NoError(t, db.Create([]memberBefore{{Name: "a", Email: secret + "a"}, {Name: "b", Email: secret + "b"}}).Error)
	}
	err = gormstratum.Migrate(t.Context(), d.used(t, []any{&memberMoving{}}), gormstratum.MigrateOptions{})
	require.ErrorIs(t, err, gormstratum.ErrPlain)
	require.ErrorContains(t, err, `gorm:"column:email_sealed" and stratum:"plain=email,label=members.email"`)

	moving := d.used(t, []any{&memberBeside{}})
	d.evolve(t, gormstratum.Migrations(moving, gormstratum.MigrateOptions{}))
	found := func(db *gorm.DB, model any) {
		for _, tenant := range tenants {
			var emails []string
			db := db.WithContext(core.WithTenant(t.Context(), tenant.ID)).Model(model)
			require.NoError(t, db.Where("email_sealed = ?", secret+"b").Pluck("email_sealed", &emails).Error, tenant.Slug)
			require.Equal(t, []string{secret + "b"}, emails, tenant.Slug)
		}
	}
	found(moving, &memberBeside{})
	report, err := gormstratum.EncryptInPlace(t.Context(), moving, gormstratum.EncryptOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2*len(tenants), report.Rows)
	found(moving, &memberBeside{})
	after := d.used(t, []any{&memberBesideAfter{}})
	_, err = d.st.Fleet.Migrate(t.Context(), core.FleetOptions{
		Migrations: []core.Migrations{gormstratum.Migrations(after, gormstratum.MigrateOptions{})},
	})
	require.NoError(t, err)
	found(after, &memberBesideAfter{})
	for drift, err := range d.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Len(t, drift.Differences, 1, "the empty column stays, until somebody drops it there")
		require.Equal(t, "email", drift.Differences[0].Object)
	}
}
