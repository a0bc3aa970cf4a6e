package gormstratum_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Each thing that is in the way stops Migrate with an error that can be told from others, names table and object, says
// what to do, and leaves the database as it was.
func TestMigrateRefusals(t *testing.T) {
	t.Parallel()
	const other = "UPDATE buyers SET tenant_id = '019a0000-0000-7000-8000-0000000000ff'"
	for name, test := range map[string]struct {
		want   error
		object string
		damage string
	}{
		"a reference across tenants": {gormstratum.ErrReference, "fk_buyers_orders", `ALTER TABLE buyers ADD COLUMN tenant_id uuid;
			ALTER TABLE buyer_marks ADD COLUMN tenant_id uuid; ALTER TABLE marks ADD COLUMN tenant_id uuid;` +
			other + "; UPDATE buyer_marks SET tenant_id = (SELECT tenant_id FROM buyers LIMIT 1);" +
			"UPDATE marks SET tenant_id = (SELECT tenant_id FROM buyers LIMIT 1)"},
		"a reference to nothing": {
			gormstratum.ErrReference, "fk_buyers_orders",
			"ALTER TABLE orders DROP CONSTRAINT fk_buyers_orders; UPDATE orders SET buyer_id = 99",
		},
		"a duplicate in a tenant": {
			gormstratum.ErrDuplicate, "uni_buyers_code",
			"ALTER TABLE buyers DROP CONSTRAINT uni_buyers_code; UPDATE buyers SET code = 'secret'",
		},
		"a column of another type": {gormstratum.ErrColumn, "tenant_id", "ALTER TABLE orders ADD COLUMN tenant_id bigint"},
		"a policy":                 {gormstratum.ErrPolicy, "mine", "CREATE POLICY mine ON orders USING (true)"},
		"a dependent": {
			gormstratum.ErrDependent, "reports_code_fkey", "CREATE TABLE reports (code text REFERENCES buyers (code))",
		},
		"rows of nobody": {gormstratum.ErrExistingRows, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newShop(t)
			tenant := d.firstTenant(t)
			if name == "rows of nobody" {
				tenant = uuid.Nil
			}
			d.exec(t, d.OwnerDSN, test.damage)
			before := d.catalog(t)
			err := migrate(t.Context(), d.used(t, shop()), tenant)
			require.ErrorIs(t, err, test.want)
			var refusal *gormstratum.TableError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, test.object, refusal.Object)
			require.Contains(t, refusal.Table, `"public".`)
			require.NotEmpty(t, refusal.Cure)
			for _, secret := range []string{"secret", "019a0000", "ann@example.org"} {
				require.NotContains(t, err.Error(), secret)
			}
			require.Equal(t, before, d.catalog(t), "nothing has changed")
		})
	}
}

func TestMigrateRefusalsOfProtectedTables(t *testing.T) {
	t.Parallel()
	type tag struct {
		gormstratum.Global
		ID uuid.UUID
	}
	d := newDesk(t, []any{&Tag{}})
	refused := func(want error, models ...any) {
		t.Helper()
		before := d.catalog(t)
		require.ErrorIs(t, migrate(t.Context(), d.used(t, models), uuid.Nil), want)
		require.Equal(t, before, d.catalog(t))
	}
	refused(gormstratum.ErrKind, &tag{})
	d.exec(t, d.OwnerDSN, fmt.Sprintf(`GRANT ALL ON tags TO %s WITH GRANT OPTION`, d.Name+"_app"))
	d.exec(t, d.DSN, "GRANT TRUNCATE ON tags TO PUBLIC")
	refused(gormstratum.ErrGrant, &Tag{})
	d.exec(t, d.DSN, "REVOKE TRUNCATE ON tags FROM PUBLIC")
	require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	d.exec(t, d.AdminDSN, "ALTER TABLE tags OWNER TO postgres")
	refused(gormstratum.ErrNotOwner, &Tag{})
	d.exec(t, d.AdminDSN, "DROP TABLE tags")
	d.exec(t, d.OwnerDSN, "CREATE VIEW tags AS SELECT 1 AS id")
	err := migrate(t.Context(), d.db, uuid.Nil)
	require.ErrorIs(t, err, gormstratum.ErrNoTable)
	require.NotErrorIs(t, err, core.ErrNoTenant)
}

// A many-to-many relation with an own-and-global model joins rows for one tenant; its keys cannot say so.
func TestJoinWithEveryonesRows(t *testing.T) {
	t.Parallel()
	type Hall struct {
		gormstratum.Tenant
		ID         uint
		Blueprints []Blueprint `gorm:"many2many:hall_blueprints"`
	}
	d := newStratum(t)
	err := migrate(t.Context(), d.used(t, append(blueprints(), &Hall{})), uuid.Nil)
	require.ErrorIs(t, err, gormstratum.ErrDeclaration)
	require.ErrorContains(t, err, "constraint:-")
	type hall struct {
		gormstratum.Tenant
		ID         uint
		Blueprints []Blueprint `gorm:"many2many:hall_blueprints;constraint:-"`
	}
	db := d.used(t, append(blueprints(), &hall{}))
	require.NoError(t, migrate(t.Context(), db, uuid.Nil))
	acme, bolt := db.WithContext(d.tenant(t, "acme")), db.WithContext(d.tenant(t, "bolt"))
	all := Blueprint{ID: 1001, Code: "all", Slug: "s"}
	require.NoError(t, db.WithContext(asSystemContext(t)).Create(&all).Error)
	theirs := Blueprint{ID: 1002, Code: "b", Slug: "b"}
	require.NoError(t, bolt.Create(&theirs).Error)
	row := hall{Blueprints: []Blueprint{{Code: "own", Slug: "own"}}}
	require.NoError(t, acme.Create(&row).Error)
	require.NoError(t, acme.Omit("Blueprints.*").Model(&row).Association("Blueprints").Append(&all, &theirs))
	var found hall
	require.NoError(t, acme.Preload("Blueprints").First(&found, row.ID).Error)
	require.Len(t, found.Blueprints, 2, "its own and everyone's, and no other tenant's")
	require.Zero(t, bolt.Preload("Blueprints").Find(&[]hall{}).RowsAffected)
}
