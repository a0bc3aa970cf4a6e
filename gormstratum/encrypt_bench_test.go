package gormstratum_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// The same rows, with two columns encrypted and in the clear.
type (
	benchSealed struct {
		gormstratum.Tenant
		ID    uint
		Name  string
		Email string `gorm:"serializer:encrypted"`
		Phone string `gorm:"serializer:encrypted"`
	}
	benchPlain struct {
		gormstratum.Tenant
		ID    uint
		Name  string
		Email string
		Phone string
	}
)

// BenchmarkEncryptedRead reads 10,000 rows.
func BenchmarkEncryptedRead(b *testing.B) {
	const rows = 10_000
	database := stratumtest.EmptyDatabase(b)
	options := database.Options()
	options.KEK, _ = fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	st, err := core.Open(b.Context(), options)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, st.Close()) })
	require.NoError(b, st.Migrate(b.Context()))
	db, err := gorm.Open(gormstratum.Open(st), &gorm.Config{Logger: logger.Discard})
	require.NoError(b, err)
	require.NoError(b, db.Use(gormstratum.New(st, gormstratum.Options{Models: []any{&benchSealed{}, &benchPlain{}}})))
	require.NoError(b, gormstratum.Migrate(b.Context(), db, gormstratum.MigrateOptions{}))
	tenant, err := st.Tenants.Create(b.Context(), core.NewTenant{Name: "Acme", Slug: "acme"})
	require.NoError(b, err)
	db = db.WithContext(core.WithTenant(b.Context(), tenant.ID))
	var sealed []benchSealed
	var plain []benchPlain
	for i := range rows {
		email, phone := fmt.Sprintf("person%d@example.org", i), fmt.Sprintf("+49 30 %d", i)
		sealed = append(sealed, benchSealed{Name: "x", Email: email, Phone: phone})
		plain = append(plain, benchPlain{Name: "x", Email: email, Phone: phone})
	}
	require.NoError(b, db.CreateInBatches(sealed, 500).Error)
	require.NoError(b, db.CreateInBatches(plain, 500).Error)
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, db.Find(&plain).Error)
		}
	})
	b.Run("encrypted", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, db.Find(&sealed).Error)
		}
	})
	require.Len(b, sealed, rows)
	require.Equal(b, plain[rows-1].Email, sealed[rows-1].Email)
}
