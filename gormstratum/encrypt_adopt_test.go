package gormstratum_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// A shop's customers on the way from a plain application to encrypted fields.
type (
	customerWithout struct {
		ID        uint
		AccountID uint
		Email     string `gorm:"uniqueIndex"`
	}
	customerOwned struct {
		gormstratum.Tenant
		ID        uint
		AccountID uint
		Email     string `gorm:"uniqueIndex"`
	}
	customerMoving struct {
		gormstratum.Tenant
		ID        uint
		AccountID uint
		Email     string `gorm:"serializer:encrypted;uniqueIndex" stratum:"searchable,plain"`
	}
)

func (customerWithout) TableName() string { return "customers" }
func (customerOwned) TableName() string   { return "customers" }
func (customerMoving) TableName() string  { return "customers" }

// TestAdoptBeforeEncryption: a plain version cannot read what is sealed, so tables are adopted in the clear, and their
// columns encrypted afterwards.
func TestAdoptBeforeEncryption(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	options := d.Options()
	var err error
	options.KEK, err = fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(t, err)
	d.st = d.openStratum(t, options)
	plain := openPlain(t, d.OwnerDSN)
	require.NoError(t, plain.AutoMigrate(&customerWithout{}))
	require.NoError(t, plain.Create([]customerWithout{
		{AccountID: 1, Email: secret + "1"}, {AccountID: 1, Email: secret + "2"}, {AccountID: 2, Email: secret + "3"},
	}).Error)
	adoption := gormstratum.AdoptOptions{
		To: gormstratum.AdoptSealed, Key: gormstratum.AdoptKey{Column: "account_id"}, CreateTenants: true,
	}
	moving := d.used(t, []any{&customerMoving{}})
	before := d.value(t, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'customers'")
	for name, adopt := range map[string]func() error{
		"Adopt":  func() error { return gormstratum.Adopt(t.Context(), moving, adoption) },
		"Eject":  func() error { return gormstratum.Eject(t.Context(), moving, gormstratum.AdoptOptions{}) },
		"script": func() error { _, err := gormstratum.AdoptScript(t.Context(), moving, adoption); return err },
	} {
		err := adopt()
		require.ErrorIs(t, err, gormstratum.ErrEncrypted, name)
		require.ErrorContains(t, err, "EncryptInPlace", name)
	}
	require.Equal(t, before, d.value(t, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'customers'"))

	require.NoError(t, gormstratum.Adopt(t.Context(), d.used(t, []any{&customerOwned{}}), adoption))
	require.NoError(t, gormstratum.Migrate(t.Context(), moving, gormstratum.MigrateOptions{}))
	report, err := gormstratum.EncryptInPlace(t.Context(), moving, gormstratum.EncryptOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 3, report.Rows)
	tenant, err := d.st.Tenants.ByExternalID(t.Context(), "1")
	require.NoError(t, err)
	var found customerMoving
	db := moving.WithContext(core.WithTenant(t.Context(), tenant.ID))
	require.NoError(t, db.Where("email = ?", secret+"2").First(&found).Error)
	require.Equal(t, secret+"2", found.Email)
	require.ErrorIs(t, db.Where("email = ?", secret+"3").First(&found).Error, gorm.ErrRecordNotFound)
	require.Zero(t, d.value(t, "SELECT count(*) FROM customers WHERE email IS NULL OR email_plain IS NOT NULL"))
}
