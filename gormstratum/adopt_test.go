package gormstratum_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// The models of a shop that has run for years without tenants, as they become.
type (
	Buyer struct {
		gormstratum.Tenant
		ID     uint
		Email  string  `gorm:"uniqueIndex"`
		Code   string  `gorm:"unique"`
		Orders []Order `gorm:"constraint:OnDelete:CASCADE"`
		Sold   []Order `gorm:"foreignKey:SellerID;constraint:OnDelete:SET NULL"`
		Tags   []Mark  `gorm:"many2many:buyer_marks;constraint:OnDelete:CASCADE"`
	}
	Order struct {
		gormstratum.Tenant
		ID       uint
		BuyerID  uint
		SellerID *uint
		Number   int `gorm:"index"`
	}
	Mark struct {
		gormstratum.Tenant
		ID   uint
		Name string
	}
)

func shop() []any { return []any{&Buyer{}, &Order{}, &Mark{}} }

// fillOldShop makes the shop with plain GORM, of models as they were, and puts rows in.
func fillOldShop(t *testing.T, plain *gorm.DB) {
	t.Helper()
	type Mark struct {
		ID   uint
		Name string
	}
	type Order struct {
		ID       uint
		BuyerID  uint
		SellerID *uint
		Number   int `gorm:"index"`
	}
	type Buyer struct {
		ID     uint
		Email  string  `gorm:"uniqueIndex"`
		Code   string  `gorm:"unique"`
		Orders []Order `gorm:"constraint:OnDelete:CASCADE"`
		Sold   []Order `gorm:"foreignKey:SellerID;constraint:OnDelete:SET NULL"`
		Tags   []Mark  `gorm:"many2many:buyer_marks;constraint:OnDelete:CASCADE"`
	}
	require.NoError(t, plain.AutoMigrate(&Buyer{}, &Order{}, &Mark{}))
	require.NoError(t, plain.Create(&[]Buyer{
		{Email: "ann@example.org", Code: "A", Tags: []Mark{{Name: "vip"}}, Orders: []Order{{Number: 1}, {Number: 2}}},
		{Email: "bob@example.org", Code: "B"},
	}).Error)
}

// newShop is the shop before Stratum: the tables that plain GORM has made, with rows.
func newShop(t *testing.T) desk {
	t.Helper()
	d := newStratum(t)
	fillOldShop(t, (office{desk: d}).open(t, plainDialector(d.OwnerDSN)))
	return d
}

// facts are everything that a refused Migrate must leave as it was.
func (d desk) facts(t *testing.T) []string {
	t.Helper()
	return d.texts(t, `
		SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
			FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT format('%s %s %s', relname, relrowsecurity, relacl) FROM pg_class
			WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT policyname FROM pg_policies
		UNION ALL SELECT b::text FROM buyers b UNION ALL SELECT o::text FROM orders o ORDER BY 1`)
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	d := newShop(t)
	db := d.used(t, shop())
	ctx := d.tenant(t, "first")
	first, _ := core.TenantFrom(ctx)

	before := d.facts(t)
	err := migrate(t.Context(), db, uuid.Nil)
	require.ErrorIs(t, err, gormstratum.ErrExistingRows)
	require.ErrorContains(t, err, "MigrateOptions.ExistingRows")
	require.Error(t, migrate(t.Context(), db, uuid.New()), "no such tenant")
	require.Equal(t, before, d.facts(t), "nothing has changed")

	require.NoError(t, migrate(t.Context(), db, first))
	d.logDDL(t)
	d.settled(t, func() error { return migrate(t.Context(), db, first) })
	d.settled(t, func() error { return migrate(t.Context(), d.used(t, shop()), uuid.Nil) })

	buyers, orders, marks := d.constraints(t, "buyers"), d.constraints(t, "orders"), d.constraints(t, "buyer_marks")
	require.Contains(t, buyers["idx_buyers_email"], "UNIQUE INDEX idx_buyers_email ON public.buyers USING btree (tenant_id, email)")
	require.Equal(t, "UNIQUE (tenant_id, code)", buyers["uni_buyers_code"])
	require.Equal(t, "PRIMARY KEY (id)", buyers["buyers_pkey"])
	require.Contains(t, orders["idx_orders_number"], "(tenant_id, number)")
	require.Equal(t, "FOREIGN KEY (tenant_id, buyer_id) REFERENCES buyers(tenant_id, id) ON DELETE CASCADE",
		orders["fk_buyers_orders"])
	require.Equal(t, "FOREIGN KEY (tenant_id, seller_id) REFERENCES buyers(tenant_id, id) ON DELETE SET NULL (seller_id)",
		orders["fk_buyers_sold"])
	require.Equal(t, "FOREIGN KEY (tenant_id, buyer_id) REFERENCES buyers(tenant_id, id) ON DELETE CASCADE",
		marks["fk_buyer_marks_buyer"])
	require.Equal(t, "FOREIGN KEY (tenant_id, mark_id) REFERENCES marks(tenant_id, id) ON DELETE CASCADE",
		marks["fk_buyer_marks_mark"])
	for _, table := range []string{"buyers", "orders", "marks", "buyer_marks"} {
		require.Zero(t, d.value(t, "SELECT count(*) FROM "+table+" WHERE tenant_id <> $1", first), table)
		require.NotZero(t, d.count(t, table, first), table)
	}

	// A second tenant has the same values; the first has what it had.
	var ann Buyer
	require.NoError(t, db.WithContext(ctx).Preload("Orders").Preload("Tags").First(&ann, "code = 'A'").Error)
	require.Len(t, ann.Orders, 2)
	require.Len(t, ann.Tags, 1)
	second := db.WithContext(d.tenant(t, "second"))
	require.NoError(t, second.Create(&Buyer{
		Email: "ann@example.org", Code: "A", Orders: []Order{{Number: 1}}, Tags: []Mark{{Name: "vip"}},
	}).Error)
	require.NoError(t, db.WithContext(ctx).Delete(&ann, ann.ID).Error)
	require.Equal(t, int64(1), d.value(t, "SELECT count(*) FROM orders"), "ON DELETE CASCADE went no further")
}

// Rows that the keys would not allow make it fail, and nothing is changed.
func TestAdoptViolations(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"fk_buyers_orders": "ALTER TABLE orders DROP CONSTRAINT fk_buyers_orders; UPDATE orders SET buyer_id = 99",
		"uni_buyers_code":  "ALTER TABLE buyers DROP CONSTRAINT uni_buyers_code; UPDATE buyers SET code = 'A'",
		"idx_buyers_email": "DROP INDEX idx_buyers_email; UPDATE buyers SET email = 'ann@example.org'",
		"tenant_id":        "ALTER TABLE orders ADD COLUMN tenant_id bigint",
		"owner": `ALTER TABLE marks ADD COLUMN tenant_id uuid; ALTER TABLE buyers ADD COLUMN tenant_id uuid;
			UPDATE buyers SET tenant_id = gen_random_uuid()`, // rows that refer to another tenant's
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newShop(t)
			d.exec(t, d.OwnerDSN, damage)
			first, _ := core.TenantFrom(d.tenant(t, "first"))
			before := d.facts(t)
			err := migrate(t.Context(), d.used(t, shop()), first)
			require.Error(t, err)
			if name != "owner" {
				require.ErrorContains(t, err, name)
			}
			require.Equal(t, before, d.facts(t))
		})
	}
}

// An application may adopt Stratum while it runs: the rows stay readable through GORM in the same way.
func TestAdoptThroughOneDB(t *testing.T) {
	t.Parallel()
	d := newShop(t)
	db := (office{desk: d}).open(t, plainDialector(d.AdminDSN))
	session := db.Session(&gorm.Session{})
	require.NoError(t, db.Use(gormstratum.New(d.st, gormstratum.Options{Models: shop()})))
	ctx := d.tenant(t, "first")
	first, _ := core.TenantFrom(ctx)
	require.NoError(t, migrate(t.Context(), db, first))
	var n int64
	require.NoError(t, session.WithContext(ctx).Model(&Buyer{}).Count(&n).Error)
	require.Equal(t, int64(2), n)
}

// heard is a logger of GORM that keeps its warnings.
type heard struct {
	logger.Interface

	warnings *[]string
}

func (h heard) Warn(_ context.Context, format string, args ...any) {
	*h.warnings = append(*h.warnings, fmt.Sprintf(format, args...))
}

// What Stratum did not make and does not touch may still reach across tenants. Migrate says so.
func TestMigrateWarns(t *testing.T) {
	t.Parallel()
	d := newShop(t)
	d.exec(t, d.OwnerDSN, "CREATE UNIQUE INDEX by_hand ON orders (number); "+
		"ALTER TABLE orders ADD CONSTRAINT fk_by_hand FOREIGN KEY (buyer_id) REFERENCES buyers (id)")
	var warnings []string
	db := d.used(t, shop(), func(c *gorm.Config) { c.Logger = heard{logger.Discard, &warnings} })
	first, _ := core.TenantFrom(d.tenant(t, "first"))
	require.NoError(t, migrate(t.Context(), db, first))
	require.Len(t, warnings, 2)
	require.Contains(t, warnings[0], `gormstratum: table "public"."orders": by_hand: the index is unique across tenants`)
	require.Contains(t, warnings[0], "DROP INDEX")
	require.Contains(t, warnings[1], "fk_by_hand")
}
