package gormstratum_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// Gadget is a model that grows.
type Gadget struct {
	gormstratum.Tenant
	ID     uint64 `gorm:"primaryKey"`
	Number string `gorm:"uniqueIndex"`
}

// TableName is that of both versions.
func (Gadget) TableName() string { return "gadgets" }

// GadgetV2 is the next version of it.
type GadgetV2 struct {
	gormstratum.Tenant
	ID        uint64    `gorm:"primaryKey"`
	Number    string    `gorm:"uniqueIndex"`
	Colour    string    `gorm:"index;not null;default:'red'"`
	Serial    uuid.UUID `gorm:"type:uuid;uniqueIndex;not null;default:gen_random_uuid()"`
	MakerCode *string
	Maker     *Maker
	Mood      string       `gorm:"type:mood;not null;default:'fine'"`
	Parts     []GadgetPart `gorm:"foreignKey:GadgetID"`
}

// TableName is that of both versions.
func (GadgetV2) TableName() string { return "gadgets" }

// Maker is new, and the same for every tenant.
type Maker struct {
	gormstratum.Global
	Code string `gorm:"primaryKey"`
}

// GadgetPart is new, and refers to a table of the tenant's and to one of everyone's.
type GadgetPart struct {
	gormstratum.Tenant
	ID        uint64 `gorm:"primaryKey"`
	GadgetID  uint64
	MakerCode *string
	Maker     *Maker
}

// Sticker is new, and has rows of everyone beside a tenant's own.
type Sticker struct {
	gormstratum.OwnOrGlobal
	ID   uint64 `gorm:"primaryKey"`
	Code string `gorm:"uniqueIndex;not null"`
}

// GadgetColoured is Gadget with a column more.
type GadgetColoured struct {
	gormstratum.Tenant
	ID     uint64 `gorm:"primaryKey"`
	Number string `gorm:"uniqueIndex"`
	Colour string
	Mood   string `gorm:"type:mood;not null;default:'fine'"`
}

// TableName is Gadget's.
func (GadgetColoured) TableName() string { return "gadgets" }

func gadgetsV1() []any { return []any{&Gadget{}, &Country{}} }
func gadgetsV2() []any { return []any{&GadgetV2{}, &Country{}, &Maker{}, &GadgetPart{}, &Sticker{}} }

// settle makes tenants of every kind, at home and at a satellite, and places that wait for more.
func (d desk) settle(t *testing.T) (tenants []core.Tenant) {
	t.Helper()
	conformance.Register(t, d.st, "eu1")
	for _, placement := range []string{"home", "eu1"} {
		tenants = append(tenants, conformance.EveryIsolation(t, d.st, placement, placement)...)
	}
	for _, isolation := range []core.Isolation{core.SchemaIsolation, core.DatabaseIsolation} {
		_, err := d.st.Placements.Prepare(t.Context(), core.Spares{Isolation: isolation, Count: 1})
		require.NoError(t, err)
	}
	return tenants
}

// evolve migrates, and looks that nobody differs from the model.
func (d desk) evolve(t *testing.T, migrations ...core.Migrations) core.FleetReport {
	t.Helper()
	report, err := d.st.Fleet.Migrate(t.Context(), core.FleetOptions{Migrations: migrations})
	require.NoError(t, err)
	for drift, err := range d.st.Fleet.Drift(t.Context()) {
		require.NoError(t, err)
		require.Fail(t, "drift", "%+v", drift)
	}
	return report
}

// ofGadgets is what each tenant can do with the next version.
func ofGadgets(t *testing.T, db *gorm.DB, tenant core.Tenant) {
	t.Helper()
	db = db.WithContext(core.WithTenant(t.Context(), tenant.ID))
	var found []GadgetV2
	require.NoError(t, db.Order("id").Find(&found).Error, tenant.Slug)
	require.Len(t, found, 1, tenant.Slug)
	require.Equal(t, "red", found[0].Colour)
	require.NotEmpty(t, found[0].Serial)
	code, nobody, serial := "acme", "nobody", uuid.New()
	require.NoError(t, db.Create(&GadgetV2{
		Number: "2", Serial: serial, MakerCode: &code, Parts: []GadgetPart{{MakerCode: &code}},
	}).Error, tenant.Slug)
	require.ErrorIs(t, db.Create(&GadgetV2{Number: "1"}).Error, core.ErrDuplicateKey, tenant.Slug)
	require.ErrorIs(t, db.Create(&GadgetV2{Number: "3", Serial: serial}).Error, core.ErrDuplicateKey, tenant.Slug)
	require.ErrorIs(t, db.Create(&GadgetPart{GadgetID: found[0].ID, MakerCode: &nobody}).Error, core.ErrForeignKey, tenant.Slug)
	require.ErrorIs(t, db.Create(&Maker{Code: "mine"}).Error, core.ErrPermission, tenant.Slug)
	require.NoError(t, db.Create(&Sticker{Code: "own"}).Error, tenant.Slug)
	var stickers, makers []string
	require.NoError(t, db.Model(&Sticker{}).Order("code").Pluck("code", &stickers).Error)
	require.Equal(t, []string{"all", "own"}, stickers, tenant.Slug)
	require.NoError(t, db.Model(&GadgetV2{}).InnerJoins("Maker").Order("1").Pluck(`"Maker".code`, &makers).Error)
	require.Equal(t, []string{"acme"}, makers, tenant.Slug)
}

// Models grow by columns, indexes and tables of every class: everyone follows, once, and who comes later has it all.
func TestFleetFollowsTheModels(t *testing.T) {
	t.Parallel()
	d := newDesk(t, gadgetsV1())
	tenants := d.settle(t)
	for _, tenant := range tenants {
		require.NoError(t, d.db.WithContext(core.WithTenant(t.Context(), tenant.ID)).Create(&Gadget{Number: "1"}).Error)
	}
	d.exec(t, d.OwnerDSN, "CREATE TYPE public.mood AS ENUM ('fine', 'sour')")
	next := d.used(t, gadgetsV2())
	grown := gormstratum.Migrations(next, gormstratum.MigrateOptions{})
	report := d.evolve(t, grown)
	require.Equal(t, 7, report.Done, "all but the model")
	require.Zero(t, report.Failed)
	system := next.WithContext(asSystemContext(t))
	require.NoError(t, system.Create(&Maker{Code: "acme"}).Error)
	require.NoError(t, system.Create(&Sticker{Code: "all"}).Error)
	require.NoError(t, system.Create(&Country{Code: "NL"}).Error)

	d.logDDL(t)
	require.Zero(t, d.evolve(t, grown).Done, "a second run has nothing to do")
	// Whoever keeps copies current may be at work meanwhile.
	require.Empty(t, d.texts(t, "SELECT tag || ': ' || query FROM log.ddl WHERE query NOT LIKE 'CREATE TEMPORARY TABLE %'"))
	later := append(conformance.EveryIsolation(t, d.st, "later", "home"), conformance.EveryIsolation(t, d.st, "abroad", "eu1")...)
	require.Zero(t, d.evolve(t, grown).Done, "what is new counts as migrated")
	for _, tenant := range later {
		require.NoError(t, next.WithContext(core.WithTenant(t.Context(), tenant.ID)).Create(&GadgetV2{Number: "1"}).Error)
	}
	d.evolve(t) // and brings the rows of everyone
	ids := make(map[uint64]string)
	for _, tenant := range append(tenants, later...) {
		ofGadgets(t, next, tenant)
		var own []uint64
		require.NoError(t, next.WithContext(core.WithTenant(t.Context(), tenant.ID)).Model(&GadgetV2{}).Pluck("id", &own).Error)
		for _, id := range own {
			require.NotContains(t, ids, id, "keys do not meet")
			ids[id] = tenant.Slug
		}
	}
}

// Without an ORM's migrator: tables are goose's, and Migrate declares and protects them.
func TestFleetGooseAlone(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.db = d.used(t, []any{&Gadget{}})
	files := fstest.MapFS{"00001_gadgets.sql": &fstest.MapFile{Data: []byte("-- +goose Up\n" +
		`CREATE TABLE gadgets (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT stratum.tenant_id(), number text);
		CREATE UNIQUE INDEX idx_gadgets_number ON gadgets (tenant_id, number);`)}}
	migrations := func() []core.Migrations {
		m, err := core.Goose(t.Context(), files, ".", core.GooseOptions{})
		require.NoError(t, err)
		return []core.Migrations{m, gormstratum.Migrations(d.db, gormstratum.MigrateOptions{})}
	}
	d.evolve(t, migrations()...)
	tenants := d.settle(t)
	for _, tenant := range tenants {
		require.NoError(t, d.db.WithContext(core.WithTenant(t.Context(), tenant.ID)).Create(&Gadget{Number: "1"}).Error)
	}
	require.Zero(t, d.evolve(t, migrations()...).Done, "what is made later counts as migrated")
	files["00002_colour.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" +
		"ALTER TABLE gadgets ADD COLUMN colour text NOT NULL DEFAULT 'red';\nUPDATE gadgets SET number = number || '!';")}
	require.Equal(t, 8, d.evolve(t, migrations()...).Done)
	require.Zero(t, d.evolve(t, migrations()...).Done)
	for _, tenant := range append(tenants, conformance.EveryIsolation(t, d.st, "later", "home")...) {
		db := d.db.WithContext(core.WithTenant(t.Context(), tenant.ID))
		var numbers []string
		require.NoError(t, db.Table("gadgets").Where("colour = 'red'").Pluck("number", &numbers).Error, tenant.Slug)
		if tenant.Placement == "home" && tenant.Slug[:5] == "later" {
			require.Empty(t, numbers)
			continue
		}
		require.Equal(t, []string{"1!"}, numbers, tenant.Slug)
	}
	require.Zero(t, d.evolve(t, migrations()...).Done)
}

// A canary that cannot follow keeps the model itself from changing.
func TestFleetCanaryBeforeTheModel(t *testing.T) {
	t.Parallel()
	d := newDesk(t, gadgetsV1())
	tenants := conformance.EveryIsolation(t, d.st, "a", "home")
	canary := "t_" + tenants[1].Label.String()
	d.exec(t, d.AdminDSN, "ALTER TABLE "+canary+".gadgets ADD COLUMN colour int")
	d.exec(t, d.OwnerDSN, "CREATE TYPE public.mood AS ENUM ('fine', 'sour')")
	next := d.used(t, []any{&GadgetColoured{}, &Country{}})
	migrate := func() error {
		_, err := d.st.Fleet.Migrate(t.Context(), core.FleetOptions{
			Migrations: []core.Migrations{gormstratum.Migrations(next, gormstratum.MigrateOptions{})},
			Canary:     core.FleetCanary{Target: "home/" + canary},
		})
		return err
	}
	require.ErrorIs(t, migrate(), core.ErrCanary)
	require.Empty(t, d.texts(t, "SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.gadgets'::regclass "+
		"AND attname = 'colour'"))
	d.exec(t, d.AdminDSN, "ALTER TABLE "+canary+".gadgets DROP COLUMN colour")
	require.NoError(t, migrate())
	d.evolve(t)
}
