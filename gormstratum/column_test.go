package gormstratum_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// The models of an application whose tenants are organisations, with a tenant column of that name in most tables.
type (
	Crew struct {
		ID      uint
		OrgID   uuid.UUID `gorm:"type:uuid;not null;default:stratum.tenant_id()"`
		Name    string    `gorm:"uniqueIndex"`
		Slug    string    `gorm:"unique"`
		Rank    int       `gorm:"index"`
		LeadID  *uint
		Lead    *Sailor  `gorm:"constraint:OnDelete:SET NULL"`
		Sailors []Sailor `gorm:"many2many:crew_sailors"`
		Trips   []Trip
	}
	Sailor struct {
		ID     uint
		OrgID  uuid.UUID // without tags
		Name   string
		BossID *uint
		Boss   *Sailor
	}
	// Trip has the column of the embedded Tenant.
	Trip struct {
		gormstratum.Tenant
		ID     uint
		CrewID uint
		Port   string
	}
	// Cargo declares a column of its own.
	Cargo struct {
		Owner  uuid.UUID `gorm:"column:owner_key" stratum:"tenant"`
		ID     uint
		TripID uint
		Trip   *Trip  `gorm:"constraint:OnDelete:CASCADE"`
		Code   string `gorm:"uniqueIndex"`
	}
)

func voyage() gormstratum.Options {
	return gormstratum.Options{TenantColumn: "org_id", Models: []any{&Crew{}, &Sailor{}, &Trip{}, &Cargo{}, &Country{}}}
}

// usedWith opens the database with the plugin and does not migrate.
func (d desk) usedWith(t *testing.T, options gormstratum.Options) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(gormstratum.Open(d.st), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	require.NoError(t, db.Use(gormstratum.New(d.st, options)))
	return db
}

// newDeskWith is newDesk with all options.
func newDeskWith(t *testing.T, options gormstratum.Options) desk {
	t.Helper()
	d := newStratum(t)
	d.db = d.usedWith(t, options)
	require.NoError(t, migrate(t.Context(), d.db, uuid.Nil))
	return d
}

func TestTenantColumnInTheDatabase(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, voyage())
	crews, sailors, joins := d.constraints(t, "crews"), d.constraints(t, "sailors"), d.constraints(t, "crew_sailors")
	require.Contains(t, crews["idx_crews_name"], "(org_id, name)")
	require.Contains(t, crews["idx_crews_rank"], "(org_id, rank)")
	require.Equal(t, "UNIQUE (org_id, slug)", crews["uni_crews_slug"])
	require.Equal(t, "FOREIGN KEY (org_id, lead_id) REFERENCES sailors(org_id, id) ON DELETE SET NULL (lead_id)",
		crews["fk_crews_lead"])
	require.Equal(t, "FOREIGN KEY (org_id, boss_id) REFERENCES sailors(org_id, id)", sailors["fk_sailors_boss"])
	require.Equal(t, "FOREIGN KEY (org_id, crew_id) REFERENCES crews(org_id, id)", joins["fk_crew_sailors_crew"])
	require.Equal(t, "FOREIGN KEY (tenant_id, crew_id) REFERENCES crews(org_id, id)",
		d.constraints(t, "trips")["fk_crews_trips"])
	require.Equal(t, "FOREIGN KEY (owner_key, trip_id) REFERENCES trips(tenant_id, id) ON DELETE CASCADE",
		d.constraints(t, "cargos")["fk_cargos_trip"])
	require.Equal(t, []string{
		"cargos owned owner_key", "countries global ", "crew_sailors owned org_id", "crews owned org_id",
		"sailors owned org_id", "trips owned tenant_id",
	}, d.texts(t, "SELECT concat_ws(' ', table_name, class, coalesce(tenant_column, '')) FROM stratum.tables ORDER BY 1"))
	d.logDDL(t)
	d.settled(t, func() error { return migrate(t.Context(), d.db, uuid.Nil) })
	d.settled(t, func() error { return migrate(t.Context(), d.usedWith(t, voyage()), uuid.Nil) })
}

// crewOf makes a crew with all that belongs to it. Two tenants have the same values.
func crewOf(t *testing.T, db *gorm.DB) Crew {
	t.Helper()
	boss := Sailor{Name: "ahab"}
	crew := Crew{
		Name: "pequod", Slug: "p", Lead: &boss, Sailors: []Sailor{{Name: "ishmael", Boss: &boss}},
		Trips: []Trip{{Port: "nantucket"}},
	}
	require.NoError(t, db.Create(&crew).Error)
	require.NoError(t, db.Create(&Cargo{Trip: &crew.Trips[0], Code: "oil"}).Error)
	return crew
}

// Every path of the ORM reads and writes the tenant's rows alone, under each of the columns' names.
func TestTenantColumnPaths(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, voyage())
	ctx, other := d.tenant(t, "acme"), d.tenant(t, "bolt")
	acme, _ := core.TenantFrom(ctx)
	db, theirs := d.db.WithContext(ctx), d.db.WithContext(other)
	crew, foreign := crewOf(t, db), crewOf(t, theirs)
	require.Equal(t, acme, crew.OrgID)

	for name, path := range map[string]func() *gorm.DB{
		"find":   func() *gorm.DB { return db.Find(&[]Crew{}) },
		"or":     func() *gorm.DB { return db.Where("1 = 1").Or("true").Find(&[]Crew{}) },
		"joined": func() *gorm.DB { return db.Joins("Trip").Find(&[]Cargo{}) },
		"update": func() *gorm.DB { return db.Model(&Crew{}).Where("true").Update("rank", 2) },
		"by id": func() *gorm.DB {
			return db.Model(&Crew{}).Where("id IN ?", []uint{crew.ID, foreign.ID}).Updates(Crew{Rank: 3})
		},
		"map": func() *gorm.DB { return db.Model(&Cargo{}).Where("true").Updates(map[string]any{"code": "oil"}) },
	} {
		tx := path()
		require.NoError(t, tx.Error, name)
		require.Equal(t, int64(1), tx.RowsAffected, name)
	}
	for name, query := range map[string]func(n *int64) error{
		"count": func(n *int64) error { return db.Model(&Crew{}).Where("1 = 1").Or("true").Count(n).Error },
		"raw":   func(n *int64) error { return db.Raw("SELECT count(*) FROM crews").Scan(n).Error },
		"table": func(n *int64) error { return db.Table("cargos").Count(n).Error },
		"subquery": func(n *int64) error {
			return db.Model(&Trip{}).Where("crew_id IN (?)", db.Model(&Crew{}).Select("id")).Count(n).Error
		},
	} {
		var n int64
		require.NoError(t, query(&n), name)
		require.Equal(t, int64(1), n, name)
	}
	require.ErrorIs(t, d.db.WithContext(t.Context()).Find(&[]Crew{}).Error, core.ErrNoTenant)
	require.ErrorIs(t, db.First(&Crew{}, foreign.ID).Error, gorm.ErrRecordNotFound)
	require.Zero(t, db.Delete(&Crew{}, foreign.ID).RowsAffected)

	var found Crew
	require.NoError(t, db.Preload("Sailors.Boss").Preload("Trips").Joins("Lead").First(&found).Error)
	require.Equal(t, "ahab", found.Lead.Name)
	require.Len(t, found.Sailors, 1)
	require.Len(t, found.Trips, 1)
	require.Equal(t, "ahab", found.Sailors[0].Boss.Name)
}

// What is written says whose it is, whatever form it has; a foreign tenant is refused by name.
func TestTenantColumnWrites(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, voyage())
	ctx := d.tenant(t, "acme")
	acme, _ := core.TenantFrom(ctx)
	bolt, _ := core.TenantFrom(d.tenant(t, "bolt"))
	db := d.db.WithContext(ctx)
	crew := crewOf(t, db)

	require.NoError(t, db.Model(&Crew{}).Create(map[string]any{"Name": "a", "Slug": "a"}).Error)
	require.NoError(t, db.Table("crews").Create([]map[string]any{{"name": "b", "slug": "b"}}).Error)
	require.NoError(t, db.Model(&Cargo{}).Create(map[string]any{"trip_id": crew.Trips[0].ID, "code": "m"}).Error)
	require.ErrorIs(t, db.Create(&Crew{Name: "x", OrgID: bolt}).Error, core.ErrCrossTenant)
	require.ErrorIs(t, db.Table("crews").Create(map[string]any{"name": "x", "org_id": bolt}).Error, core.ErrCrossTenant)
	require.ErrorIs(t, db.Create(&Cargo{Owner: bolt}).Error, core.ErrCrossTenant)
	require.ErrorIs(t, db.Model(&Crew{}).Where("true").Update("org_id", bolt).Error, core.ErrCrossTenant)

	crew.Rank = 9
	require.NoError(t, db.Omit(clause.Associations).Save(&crew).Error)
	require.NoError(t, db.Save(&Sailor{ID: 77, Name: "new by Save"}).Error)
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"rank"})}
	require.NoError(t, db.Clauses(upsert).Create(&Crew{Name: "pequod", Slug: "other", Rank: 4}).Error)
	require.NoError(t, db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "code"}}, DoNothing: true}).
		Create(&Cargo{TripID: crew.Trips[0].ID, Code: "oil"}).Error)
	require.NoError(t, db.Model(&crew).Association("Sailors").Replace(&Sailor{Name: "queequeg"}))
	require.NoError(t, db.Where(Sailor{Name: "starbuck"}).FirstOrCreate(&Sailor{}).Error)
	require.ErrorIs(t, db.Create(&Crew{Name: "pequod"}).Error, core.ErrDuplicateKey)

	system := d.db.WithContext(asSystemContext(t))
	require.ErrorIs(t, system.Create(&Sailor{Name: "nobody's"}).Error, gormstratum.ErrTenantID)
	require.NoError(t, system.Create(&Sailor{Name: "theirs", OrgID: bolt}).Error)
	for _, table := range []string{"crews", "crew_sailors"} {
		require.Zero(t, d.value(t, "SELECT count(*) FROM "+table+" WHERE org_id <> $1", acme), table)
	}
	require.Equal(t, int64(1), d.value(t, "SELECT count(*) FROM sailors WHERE org_id <> $1", acme))
	require.Zero(t, d.value(t, "SELECT count(*) FROM cargos WHERE owner_key <> $1", acme))
	require.Equal(t, int64(4), d.value(t, "SELECT rank FROM crews WHERE name = 'pequod'"))
}

// The predicate names the table's own column in each place.
func TestTenantColumnPredicates(t *testing.T) {
	t.Parallel()
	d := newDeskWith(t, voyage())
	ctx := d.tenant(t, "acme")
	for want, build := range map[string]func(*gorm.DB) *gorm.DB{
		`WHERE "crews"."org_id" = $1`:                  func(db *gorm.DB) *gorm.DB { return db.Find(&[]Crew{}) },
		`WHERE "cargos"."owner_key" = $`:               func(db *gorm.DB) *gorm.DB { return db.Joins("Trip").Find(&[]Cargo{}) },
		`ON "Trip"."tenant_id" = $1`:                   func(db *gorm.DB) *gorm.DB { return db.Joins("Trip").Find(&[]Cargo{}) },
		`WHERE "trips"."tenant_id" = $2 AND (id = $3)`: func(db *gorm.DB) *gorm.DB { return db.Model(&Trip{}).Where("id = ?", 1).Update("port", "x") },
		`DELETE FROM "sailors" WHERE "sailors"."org_id"`: func(db *gorm.DB) *gorm.DB {
			return db.Where("id = ?", 1).Delete(&Sailor{})
		},
		`ON CONFLICT ("org_id","name") DO NOTHING`: func(db *gorm.DB) *gorm.DB {
			return db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoNothing: true}).Create(&Crew{})
		},
	} {
		require.Contains(t, sqlOf(ctx, d.db, build), want)
	}
}

// What a model says of its tenant column, and cannot mean.
func TestTenantColumnRefusals(t *testing.T) {
	t.Parallel()
	type Account struct {
		ID        uint
		AccountID int64
	}
	type Tagged struct {
		ID    uint
		Owner string `stratum:"tenant"`
	}
	type Misspelt struct {
		gormstratum.Tenant
		ID   uint
		Name string `stratum:"tennant"`
	}
	type Reversed struct {
		ID    uint
		OrgID *uuid.UUID `stratum:"global,tenant"`
	}
	type Twice struct {
		gormstratum.Tenant
		ID    uint
		Owner uuid.UUID `stratum:"tenant"`
	}
	type Both struct {
		gormstratum.Tenant
		ID    uint
		OrgID uuid.UUID
	}
	type Pointer struct {
		ID    uint
		OrgID *uuid.UUID
	}
	type Everyones struct {
		ID    uint
		OrgID uuid.UUID `stratum:"tenant,global"`
	}
	type Ignored struct {
		ID    uint
		OrgID uuid.UUID `gorm:"-" stratum:"tenant"`
	}
	type Plain struct {
		ID       uint
		TenantID uuid.UUID
	}
	type Keyless struct {
		OrgID uuid.UUID
	}
	d := newStratum(t)
	for _, test := range []struct {
		column, want string
		model        any
	}{
		{"account_id", `field AccountID of column "account_id" is a int64 (a tenant's id is a uuid: leave this key`, &Account{}},
		{"", `field Owner of column "owner" is a string (use uuid.UUID`, &Tagged{}},
		{"", `field Name has the unknown word "tennant" in its tag stratum (use tenant, or tenant,global)`, &Misspelt{}},
		{"", `does not make it a tenant column`, &Reversed{}},
		{"", `has two tenant columns, "tenant_id" and "owner"`, &Twice{}},
		{"org_id", `declares "tenant_id" as its tenant column and has the one of Options.TenantColumn, "org_id"`, &Both{}},
		{"org_id", `embed gormstratum.OwnOrGlobal or tag it stratum:"tenant,global"`, &Pointer{}},
		{"", `nil is what makes a row everyone's (use *uuid.UUID`, &Everyones{}},
		{"", `on a field with a column`, &Ignored{}},
		{"org_id", `declare a field of column "org_id" and type uuid.UUID`, &Plain{}},
		{"org_id", `has no primary key`, &Keyless{}},
	} {
		db, err := gorm.Open(gormstratum.Open(d.st), &gorm.Config{Logger: logger.Discard})
		require.NoError(t, err)
		err = db.Use(gormstratum.New(d.st, gormstratum.Options{TenantColumn: test.column, Models: []any{test.model}}))
		require.ErrorIs(t, err, gormstratum.ErrModel, test.want)
		require.ErrorContains(t, err, test.want)
	}
}

// A column that is there already with another type is refused by Migrate, which names both.
func TestTenantColumnOfAnotherTypeInTheDatabase(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.exec(t, d.OwnerDSN, "CREATE TABLE sailors (id bigserial PRIMARY KEY, org_id bigint)")
	err := migrate(t.Context(), d.usedWith(t, voyage()), uuid.Nil)
	require.ErrorIs(t, err, gormstratum.ErrColumn)
	var refusal *gormstratum.TableError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "org_id", refusal.Object)
	require.True(t, strings.HasSuffix(refusal.Table, `."sailors"`))
}
