package gormstratum_test

import (
	"database/sql"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Blueprint has rows of tenants and of everyone.
type (
	Blueprint struct {
		gormstratum.OwnOrGlobal
		ID     uint
		Code   string `gorm:"uniqueIndex;not null"`
		Slug   string `gorm:"unique"`
		Title  string
		HallID *uint
		Hall   *Room `gorm:"foreignKey:HallID"` // a tenant's blueprint may be for its hall
	}
	Room struct {
		gormstratum.Tenant
		ID          uint
		Name        string
		BlueprintID *uint
		Blueprint   *Blueprint `gorm:"constraint:-"`
	}
)

func blueprints() []any { return []any{&Blueprint{}, &Room{}} }

// newBlueprints has one of everyone's, and one of each of two tenants.
func newBlueprints(t *testing.T) (d desk, acme, bolt *gorm.DB) {
	t.Helper()
	d = newDesk(t, blueprints())
	acme, bolt = d.db.WithContext(d.tenant(t, "acme")), d.db.WithContext(d.tenant(t, "bolt"))
	system := d.db.WithContext(asSystemContext(t))
	require.NoError(t, system.Create(&Blueprint{ID: 1000, Code: "all", Slug: "s", Title: "everyone's"}).Error)
	require.NoError(t, acme.Create(&Blueprint{ID: 1001, Code: "all", Slug: "s", Title: "acme's"}).Error)
	require.NoError(t, bolt.Create(&Blueprint{ID: 1002, Code: "all", Slug: "s", Title: "bolt's"}).Error)
	return d, acme, bolt
}

func blueprintTitles(t *testing.T, db *gorm.DB) (list []string) {
	t.Helper()
	require.NoError(t, db.Model(&Blueprint{}).Order("id").Pluck("title", &list).Error)
	return list
}

func TestEveryonesRowsAreRead(t *testing.T) {
	t.Parallel()
	d, acme, bolt := newBlueprints(t)
	require.Equal(t, []string{"everyone's", "acme's"}, blueprintTitles(t, acme))
	require.Equal(t, []string{"everyone's", "acme's"}, blueprintTitles(t, acme.Where("true").Or("1 = 1")))
	require.Equal(t, []string{"everyone's", "bolt's"}, blueprintTitles(t, bolt))
	require.Len(t, blueprintTitles(t, d.db.WithContext(asSystemContext(t))), 3)
	require.ErrorIs(t, d.db.WithContext(t.Context()).Find(&[]Blueprint{}).Error, core.ErrNoTenant)

	tenant, _ := core.TenantFrom(acme.Statement.Context)
	child, err := d.st.Tenants.Create(t.Context(), core.NewTenant{Name: "child", Slug: "child", Parent: tenant})
	require.NoError(t, err)
	below := d.db.WithContext(core.WithTenant(t.Context(), child.ID))
	require.NoError(t, below.Create(&Blueprint{Code: "c", Slug: "c", Title: "child's"}).Error)
	subtree := d.db.WithContext(core.WithSubtree(t.Context(), tenant))
	require.ElementsMatch(t, []string{"everyone's", "acme's", "child's"}, blueprintTitles(t, subtree))

	for want, build := range map[string]func(*gorm.DB) *gorm.DB{
		`WHERE ("blueprints"."tenant_id" = $1 OR "blueprints"."tenant_id" IS NULL) AND (code = $2)`: func(db *gorm.DB) *gorm.DB {
			return db.Where("code = ?", "x").Find(&[]Blueprint{})
		},
		`ON ("Blueprint"."tenant_id" = $1 OR "Blueprint"."tenant_id" IS NULL)`: func(db *gorm.DB) *gorm.DB {
			return db.Joins("Blueprint").Find(&[]Room{})
		},
		`WHERE "blueprints"."tenant_id" = $2 AND (code = $3)`: func(db *gorm.DB) *gorm.DB {
			return db.Model(&Blueprint{}).Where("code = ?", "x").Update("title", "x")
		},
		`DELETE FROM "blueprints" WHERE "blueprints"."tenant_id" = $1`: func(db *gorm.DB) *gorm.DB {
			return db.Where("code = ?", "x").Delete(&Blueprint{})
		},
	} {
		require.Contains(t, sqlOf(acme.Statement.Context, d.db, build), want)
	}
}

// A tenant's row and everyone's are reached through relations, another tenant's is not.
func TestEveryonesRowsInRelations(t *testing.T) {
	t.Parallel()
	_, acme, _ := newBlueprints(t)
	for id, want := range map[uint]string{1000: "everyone's", 1001: "acme's", 1002: ""} {
		room := Room{Name: want, BlueprintID: &id}
		require.NoError(t, acme.Create(&room).Error)
		for _, query := range []*gorm.DB{acme.Joins("Blueprint"), acme.Preload("Blueprint")} {
			var found Room
			require.NoError(t, query.First(&found, room.ID).Error)
			if want == "" {
				require.Nil(t, found.Blueprint, "another tenant's")
				continue
			}
			require.Equal(t, want, found.Blueprint.Title)
		}
	}
}

// A tenant neither makes, changes nor deletes what is everyone's, and gives nothing of its own to everyone.
func TestEveryonesRowsAreNotWritten(t *testing.T) {
	t.Parallel()
	d, acme, _ := newBlueprints(t)
	tenant, _ := core.TenantFrom(acme.Statement.Context)
	for _, db := range []*gorm.DB{acme, d.db.WithContext(core.WithSubtree(t.Context(), tenant))} {
		for _, tx := range []*gorm.DB{
			db.Model(&Blueprint{ID: 1000}).Update("title", "x"), db.Delete(&Blueprint{}, 1000),
			db.Exec("UPDATE blueprints SET title = 'x' WHERE id = 1000"), db.Exec("DELETE FROM blueprints WHERE id = 1000"),
			db.Model(&Blueprint{}).Where("tenant_id IS NULL").Updates(Blueprint{Title: "x"}),
		} {
			require.NoError(t, tx.Error)
			require.Zero(t, tx.RowsAffected)
		}
		var all Blueprint
		require.NoError(t, db.First(&all, 1000).Error)
		require.Nil(t, all.TenantID)
		for name, tx := range map[string]*gorm.DB{
			"save":           db.Save(&all),
			"upsert":         db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&Blueprint{ID: 1000, Code: "z", Slug: "z"}),
			"give away":      db.Model(&Blueprint{ID: 1001}).Update("tenant_id", nil),
			"give away, map": db.Model(&Blueprint{}).Where("id = 1001").Updates(map[string]any{"tenant_id": nil}),
			"raw":            db.Exec("INSERT INTO blueprints (code, slug, tenant_id) VALUES ('q', 'q', NULL)"),
		} {
			require.ErrorIs(t, tx.Error, core.ErrCrossTenant, name)
		}
	}
	require.Equal(t, int64(1), d.value(t, "SELECT count(*) FROM blueprints WHERE tenant_id IS NULL AND title = 'everyone''s'"))
}

// Whatever a tenant makes is its own; the system says whose.
func TestEveryonesRowsAreStamped(t *testing.T) {
	t.Parallel()
	d, acme, _ := newBlueprints(t)
	tenant, _ := core.TenantFrom(acme.Statement.Context)
	none := uuid.Nil
	for _, row := range []any{
		&Blueprint{Code: "1", Slug: "1"},
		&[]Blueprint{{Code: "2", Slug: "2"}},
		&Blueprint{Code: "3", Slug: "3", OwnOrGlobal: gormstratum.OwnOrGlobal{TenantID: &none}},
		&Blueprint{Code: "4", Slug: "4", OwnOrGlobal: gormstratum.OwnOrGlobal{TenantID: &tenant}},
	} {
		require.NoError(t, acme.Create(row).Error)
	}
	require.NoError(t, acme.Model(&Blueprint{}).Create(map[string]any{"code": "5", "slug": "5", "tenant_id": nil}).Error)
	require.NoError(t, acme.Save(&Blueprint{ID: 2000, Code: "6", Slug: "6"}).Error)
	require.Equal(t, int64(7), d.count(t, "blueprints", tenant))

	system := d.db.WithContext(asSystemContext(t))
	all, own := Blueprint{Code: "7", Slug: "7"}, Blueprint{Code: "7", Slug: "7"}
	own.TenantID = &tenant
	require.NoError(t, system.Create([]*Blueprint{&all, &own}).Error)
	require.Nil(t, all.TenantID)
	require.NoError(t, system.Model(&Blueprint{}).Create(map[string]any{"code": "8", "slug": "8"}).Error)
	all.Title = "changed"
	require.NoError(t, system.Save(&all).Error)
	require.Equal(t, int64(3), d.value(t, "SELECT count(*) FROM blueprints WHERE tenant_id IS NULL"))
	require.ErrorIs(t, acme.Create(&Room{BlueprintID: &all.ID, Name: "x", Tenant: gormstratum.Tenant{TenantID: uuid.New()}}).Error,
		core.ErrCrossTenant)
}

// Everyone's rows are unique among themselves, and a conflict is one within them or within a tenant.
func TestEveryonesRowsAreUnique(t *testing.T) {
	t.Parallel()
	d, acme, _ := newBlueprints(t)
	system := d.db.WithContext(asSystemContext(t))
	require.ErrorIs(t, system.Create(&Blueprint{Code: "all", Slug: "new"}).Error, core.ErrDuplicateKey)
	require.ErrorIs(t, system.Create(&Blueprint{Code: "new", Slug: "s"}).Error, core.ErrDuplicateKey)
	upsert := clause.OnConflict{
		Columns: []clause.Column{{Name: "code"}}, DoUpdates: clause.AssignmentColumns([]string{"title"}),
	}
	require.NoError(t, system.Clauses(upsert).Create(&Blueprint{Code: "all", Slug: "t", Title: "everyone's new"}).Error)
	require.NoError(t, acme.Clauses(upsert).Create(&Blueprint{Code: "all", Slug: "t", Title: "acme's new"}).Error)
	require.ElementsMatch(t, []string{"everyone's new", "acme's new", "bolt's"}, blueprintTitles(t, system))
	found := d.constraints(t, "blueprints")
	require.Contains(t, found["idx_blueprints_code"], "(tenant_id, code) NULLS NOT DISTINCT")
	require.Equal(t, "UNIQUE NULLS NOT DISTINCT (tenant_id, slug)", found["uni_blueprints_slug"])
}

func TestMigrateEveryonesRows(t *testing.T) {
	t.Parallel()
	d := newDesk(t, blueprints())
	d.logDDL(t)
	d.settled(t, func() error { return migrate(t.Context(), d.db, uuid.Nil) })
	require.Equal(t, []string{"mixed tenant_id"},
		d.texts(t, "SELECT class || ' ' || tenant_column FROM stratum.tables WHERE table_name = 'blueprints'"))
	owner := (office{desk: d}).open(t, plainDialector(withOption(t, d.OwnerDSN, "options", "-c stratum.owner=migrate")))
	d.settled(t, func() error { return owner.AutoMigrate(&Room{}) })
}

// What an own-and-global model cannot be.
func TestEveryonesRowsRefusals(t *testing.T) {
	t.Parallel()
	type Nullable struct {
		gormstratum.OwnOrGlobal
		ID    uint
		Email *string `gorm:"uniqueIndex"`
	}
	type NullString struct {
		gormstratum.OwnOrGlobal
		ID    uint
		Email sql.NullString `gorm:"unique"`
	}
	type Optioned struct {
		gormstratum.OwnOrGlobal
		ID   uint
		Code string `gorm:"uniqueIndex:,option:INCLUDE (id)"`
	}
	type Ruled struct {
		gormstratum.Global
		ID          uint
		BlueprintID uint
		Blueprint   Blueprint
	}
	type Fine struct {
		gormstratum.OwnOrGlobal
		ID    uint
		Email *string   `gorm:"uniqueIndex;not null"`
		Key   uuid.UUID `gorm:"type:uuid;uniqueIndex"`
	}
	d := newStratum(t)
	for want, models := range map[string][]any{
		"field Email is in a unique index and may be NULL": {&Nullable{}},
		"may be NULL, which can be there once":             {&NullString{}},
		"has an option, and gets NULLS NOT DISTINCT":       {&Optioned{}},
		"is global and belongs to tenant-owned Blueprint":  {&Ruled{}, &Blueprint{}, &Room{}},
		"": {&Fine{}},
	} {
		err := (office{desk: d}).open(t, gormstratum.Open(d.st)).Use(gormstratum.New(d.st, gormstratum.Options{Models: models}))
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, gormstratum.ErrModel)
		require.ErrorContains(t, err, want)
	}
}

// A foreign key to an own-and-global table is refused, with the way around it.
func TestForeignKeyToEveryonesRows(t *testing.T) {
	t.Parallel()
	type Keyed struct {
		gormstratum.Tenant
		ID          uint
		BlueprintID uint
		Blueprint   *Blueprint
	}
	d := newStratum(t)
	err := migrate(t.Context(), d.used(t, append(blueprints(), &Keyed{})), uuid.Nil)
	require.ErrorIs(t, err, gormstratum.ErrDeclaration)
	require.ErrorContains(t, err, "constraint:-")
	require.Zero(t, d.value(t, "SELECT count(*) FROM pg_class WHERE relname = 'blueprints'"), "nothing was changed")
}
