package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Models that cannot be placed.
type (
	neither struct{ ID uint }
	both    struct {
		gormstratum.Tenant
		gormstratum.Global
		ID uint
	}
	wrongType struct {
		ID       uint
		TenantID string
	}
	pointerTenant struct {
		ID       uint
		TenantID *uuid.UUID
	}
	noKey struct {
		gormstratum.Tenant
		Number string
	}
	ownedParent struct {
		gormstratum.Tenant
		ID       uint
		Children []ownedChild
	}
	ownedChild struct {
		gormstratum.Tenant
		ID            uint
		OwnedParentID uint
	}
	globalChild struct {
		gormstratum.Global
		ID       uint
		TicketID uuid.UUID
		Ticket   *Ticket
	}
	joining struct {
		gormstratum.Tenant
		ID     uint
		Labels []neither `gorm:"many2many:joining_labels"`
	}
	broken struct {
		gormstratum.Tenant
		ID    uint
		Other struct{ Name string } // a relation without a key
	}
	plain struct { // fit to be global, by a type that cannot embed
		ID   uint
		Name string
	}
)

func TestRefusedModels(t *testing.T) {
	t.Parallel()
	d := newEmpty(t)
	for name, test := range map[string]struct {
		options gormstratum.Options
		text    string
	}{
		"neither": {
			gormstratum.Options{Models: []any{&neither{}}},
			`model neither is neither tenant-owned nor global nor external (embed gormstratum.Tenant, or embed ` +
				`gormstratum.Global or name it in Options.Global, or name table "neithers" in Options.External)`,
		},
		"both": {
			gormstratum.Options{Models: []any{&both{}}},
			`model both is declared global but has a column "tenant_id" (remove one of the two)`,
		},
		"owned as global": {
			gormstratum.Options{Global: []any{&ownedChild{}}},
			`model ownedChild is declared global but has a column "tenant_id"`,
		},
		"wrong type": {
			gormstratum.Options{Models: []any{&wrongType{}}},
			`model wrongType: field TenantID of column "tenant_id" is a string (use uuid.UUID of github.com/google/uuid)`,
		},
		"pointer": {
			gormstratum.Options{Models: []any{&pointerTenant{}}},
			`field TenantID of column "tenant_id" is a *uuid.UUID (use uuid.UUID`,
		},
		"no primary key": {
			gormstratum.Options{Models: []any{&noKey{}}},
			`model noKey has no primary key (tag a field with gorm:"primaryKey")`,
		},
		"related model not listed": {
			gormstratum.Options{Models: []any{&ownedParent{}}},
			`model ownedChild, reached from ownedParent.Children, is not in Options.Models or Options.Global`,
		},
		"joined model not listed": {
			gormstratum.Options{Models: []any{&joining{}}},
			`model neither, reached from joining.Labels, is not in Options.Models or Options.Global`,
		},
		"global belongs to owned": {
			gormstratum.Options{Models: append(deskModels(), &globalChild{})},
			`model globalChild is global and belongs to tenant-owned Ticket by Ticket (a global row cannot refer to ` +
				`one tenant's; make it tenant-owned)`,
		},
		"twice": {
			gormstratum.Options{Models: []any{&Country{}, Country{}}},
			`model: table "countries" is declared twice (name it once in Options)`,
		},
		"model and external": {
			gormstratum.Options{Models: []any{&Country{}}, External: []string{"countries"}},
			`table "countries" is declared twice`,
		},
		"external with bad rights": {
			gormstratum.Options{External: []string{"river_job: SELECT, TRUNCATE"}},
			`Options.External "river_job": unknown right "TRUNCATE" (use SELECT, INSERT, UPDATE, DELETE)`,
		},
		"external without a name": {
			gormstratum.Options{External: []string{" : SELECT"}},
			`Options.External holds an empty name`,
		},
		"unparsable":   {gormstratum.Options{Models: []any{&broken{}}}, `model *gormstratum_test.broken: `},
		"not a struct": {gormstratum.Options{Models: []any{"tickets"}}, `model string: unsupported data type`},
		"nil":          {gormstratum.Options{Models: []any{nil}}, `model <nil>: unsupported data type`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openDiscreet(t, d)
			err := db.Use(gormstratum.New(d.st, test.options))
			require.ErrorIs(t, err, gormstratum.ErrModel)
			require.ErrorContains(t, err, test.text)
			require.NoError(t, db.Use(gormstratum.New(d.st)), "a refused Use can be repeated")
		})
	}
}

func openDiscreet(t *testing.T, d desk) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(gormstratum.Open(d.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	return db
}

func TestRefusalsComeTogether(t *testing.T) {
	t.Parallel()
	d := newEmpty(t)
	err := openDiscreet(t, d).Use(gormstratum.New(d.st, gormstratum.Options{
		Models:   []any{&neither{}, &wrongType{}, &Country{}},
		Global:   []any{&Country{}},
		External: []string{"jobs: ALL"},
	}))
	for _, text := range []string{"model neither is", "model wrongType: field", `"countries" is declared twice`, `"jobs"`} {
		require.ErrorContains(t, err, text)
	}
}

// What is not in the lists is refused by name before the database is asked, and by the database where it is hidden in
// raw SQL.
func TestUnknownTables(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskModels())
	ctx := d.tenant(t, "acme")
	d.exec(t, d.OwnerDSN, "CREATE TABLE plains (id bigserial PRIMARY KEY, name text); INSERT INTO plains (name) VALUES ('x')")
	db := d.db.WithContext(ctx)
	for name, err := range map[string]error{
		"Find":    db.Find(&[]plain{}).Error,
		"Create":  db.Create(&plain{Name: "x"}).Error,
		"Update":  db.Model(&plain{ID: 1}).Update("name", "y").Error,
		"Delete":  db.Delete(&plain{ID: 1}).Error,
		"Table":   db.Table("plains").Find(&[]map[string]any{}).Error,
		"Pluck":   db.Table("public.plains AS p").Pluck("p.name", &[]string{}).Error,
		"Row":     db.Table("plains").Select("name").Row().Scan(new(string)),
		"map":     db.Table("plains").Create(map[string]any{"name": "x"}).Error,
		"another": db.Table("other_tickets").Find(&[]Ticket{}).Error,
	} {
		require.ErrorIs(t, err, gormstratum.ErrModel, name)
		require.ErrorContains(t, err, "Options.External", name)
	}
	require.ErrorContains(t, db.Raw("SELECT * FROM plains").Scan(&[]plain{}).Error, "must be declared")
	err := db.Find(&[]Ticket{}, "title IN (?)", d.db.Table("plains").Select("name")).Error
	require.ErrorIs(t, err, gormstratum.ErrModel, "a sub-query's error is not lost")
	err = db.Raw("SELECT 1 FROM tickets WHERE title IN (?)", d.db.Table("plains").Select("name")).Row().Scan(new(int))
	require.ErrorContains(t, err, "must be declared", "and where GORM loses it, the database names the reason")

	var names []string
	require.NoError(t, db.Table("pg_catalog.pg_tables").Where("tablename = ?", "plains").Pluck("tablename", &names).Error)
	require.Equal(t, []string{"plains"}, names)
	require.True(t, db.Migrator().HasTable("tickets"))
	columns, err := db.Migrator().ColumnTypes(&Ticket{})
	require.NoError(t, err)
	require.Equal(t, "tenant_id", columns[0].Name())
	require.True(t, db.Migrator().HasIndex(&Ticket{}, "Number"))
}

func TestGlobalAndExternal(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.exec(t, d.OwnerDSN, "CREATE TABLE river_job (id bigserial PRIMARY KEY, kind text); CREATE TABLE audit (id int)")
	d.db = openDiscreet(t, d)
	require.NoError(t, d.db.Use(gormstratum.New(d.st, gormstratum.Options{
		Models: []any{&Country{}}, Global: []any{&plain{}}, External: []string{"river_job: select, INSERT", "public.audit"},
	})))
	require.NoError(t, gormstratum.Migrate(t.Context(), d.db, gormstratum.MigrateOptions{}))
	ctx, system := d.tenant(t, "acme"), asSystemContext(t)

	require.NoError(t, d.db.WithContext(system).Create(&plain{Name: "everyone's"}).Error)
	require.ErrorContains(t, d.db.WithContext(ctx).Create(&plain{Name: "mine"}).Error, "core.AsSystem")
	var found plain
	require.NoError(t, d.db.WithContext(ctx).First(&found).Error)
	require.Equal(t, "everyone's", found.Name)

	jobs := d.db.WithContext(ctx).Table("river_job")
	require.NoError(t, jobs.Create(map[string]any{"kind": "mail"}).Error)
	var kinds []string
	require.NoError(t, d.db.WithContext(ctx).Table("river_job").Pluck("kind", &kinds).Error)
	require.Equal(t, []string{"mail"}, kinds)
	require.ErrorContains(t, d.db.WithContext(ctx).Table("river_job").Where("true").Update("kind", "x").Error, "no right")
	require.ErrorContains(t, d.db.WithContext(ctx).Table("audit").Find(&[]map[string]any{}).Error, "no right")
}
