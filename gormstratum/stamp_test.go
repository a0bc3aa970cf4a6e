package gormstratum_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Hooked sets its tenant itself.
type Hooked struct {
	ID       uint
	TenantID uuid.UUID // declared by hand
	Name     string
	Wanted   uuid.UUID `gorm:"-"`
}

func (h *Hooked) BeforeCreate(*gorm.DB) error {
	h.TenantID = h.Wanted
	return nil
}

// Membership is a join table's own model.
type (
	Member struct {
		gormstratum.Tenant
		ID    uint
		Name  string
		Teams []Team `gorm:"many2many:memberships"`
	}
	Team struct {
		gormstratum.Tenant
		ID   uint
		Name string
	}
	Membership struct {
		gormstratum.Tenant
		MemberID  uint `gorm:"primaryKey"`
		TeamID    uint `gorm:"primaryKey"`
		Role      string
		DeletedAt gorm.DeletedAt
	}
)

// stamping is a desk in which every row of one statement must become one tenant's.
type stamping struct {
	desk

	ctx    context.Context //nolint:containedctx // the tenant's
	tenant uuid.UUID
	other  uuid.UUID
}

func newStamping(t *testing.T) stamping {
	t.Helper()
	s := stamping{desk: newDesk(t, append(deskModels(), &Hooked{}, &Member{}, &Team{}))}
	s.ctx = s.desk.tenant(t, "acme")
	s.tenant, _ = core.TenantFrom(s.ctx)
	s.other, _ = core.TenantFrom(s.desk.tenant(t, "bolt"))
	return s
}

func numbered(number string) Ticket { return Ticket{Number: number, Title: "new"} }

// creation makes rows, as many as it says, with the title "new".
type creation struct {
	rows   int64
	create func() error
}

// check makes the rows and looks whose they are.
func (s stamping) check(t *testing.T, creations map[string]creation) {
	t.Helper()
	for name, test := range creations {
		before := s.count(t, "tickets", s.tenant)
		require.NoError(t, test.create(), name)
		require.Equal(t, before+test.rows, s.count(t, "tickets", s.tenant), name)
	}
	require.Zero(t, s.value(t, "SELECT count(*) FROM tickets WHERE tenant_id <> $1 OR title <> 'new'", s.tenant))
}

func TestStampedForms(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	db := s.db.WithContext(s.ctx)
	s.check(t, map[string]creation{
		"pointer": {1, func() error { ticket := numbered("pointer"); return db.Create(&ticket).Error }},
		"slice": {2, func() error {
			return db.Create([]Ticket{numbered("slice 1"), numbered("slice 2")}).Error
		}},
		"pointer to a slice": {2, func() error {
			return db.Create(&[]Ticket{numbered("to slice 1"), numbered("to slice 2")}).Error
		}},
		"slice of pointers": {2, func() error {
			a, b := numbered("pointers 1"), numbered("pointers 2")
			return db.Create([]*Ticket{&a, &b}).Error
		}},
		"array": {2, func() error {
			return db.Create(&[2]Ticket{numbered("array 1"), numbered("array 2")}).Error
		}},
		"map": {1, func() error {
			return db.Model(&Ticket{}).Create(map[string]any{"number": "map", "title": "new"}).Error
		}},
		"pointer to a map": {1, func() error {
			return db.Model(Ticket{}).Create(&map[string]any{"Number": "to map", "Title": "new", "TenantID": nil}).Error
		}},
		"maps": {2, func() error {
			return db.Table("tickets").Create([]map[string]any{
				{"number": "maps 1", "title": "new"}, {"number": "maps 2", "title": "new", "tenant_id": s.tenant.String()},
			}).Error
		}},
		"pointer to maps": {1, func() error {
			return db.Model(&Ticket{}).Create(&[]map[string]any{{"number": "to maps", "title": "new"}}).Error
		}},
		"nil map": {1, func() error { return db.Table("tickets").Create(map[string]any(nil)).Error }},
		"map into a table": {1, func() error {
			return db.Table("tickets").Create(map[string]any{"number": "table map", "title": "new"}).Error
		}},
		"another type into the table": {1, func() error {
			// Its first field is not the model's first.
			return db.Table("tickets").Create(&struct{ Number, Title string }{"other type", "new"}).Error
		}},
		"qualified table": {1, func() error {
			ticket := numbered("qualified")
			return db.Table("public.tickets").Create(&ticket).Error
		}},
	})
}

func TestStampedWays(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	db := s.db.WithContext(s.ctx)
	s.check(t, map[string]creation{
		"CreateInBatches": {3, func() error {
			return db.CreateInBatches([]Ticket{numbered("batch 1"), numbered("batch 2"), numbered("batch 3")}, 2).Error
		}},
		"Save": {1, func() error { ticket := numbered("save"); return db.Save(&ticket).Error }},
		"Save with a key": {1, func() error {
			ticket := numbered("save key")
			ticket.ID = uuid.New()
			return db.Save(&ticket).Error
		}},
		"Save of a slice": {2, func() error {
			return db.Save(&[]Ticket{numbered("save slice 1"), numbered("save slice 2")}).Error
		}},
		"FirstOrCreate": {1, func() error {
			return db.Where(Ticket{Number: "first or create"}).Attrs(Ticket{Title: "new"}).FirstOrCreate(&Ticket{}).Error
		}},
		"FirstOrInit": {1, func() error {
			var ticket Ticket
			if err := db.FirstOrInit(&ticket, Ticket{Number: "first or init", Title: "new"}).Error; err != nil {
				return err
			}
			return db.Save(&ticket).Error
		}},
		"generics": {1, func() error { ticket := numbered("generics"); return gorm.G[Ticket](s.db).Create(s.ctx, &ticket) }},
		"generics in batches": {2, func() error {
			rows := []Ticket{numbered("generics 1"), numbered("generics 2")}
			return gorm.G[Ticket](s.db).CreateInBatches(s.ctx, &rows, 1)
		}},
		"generics with Set": {1, func() error {
			return gorm.G[Ticket](s.db).Set(
				clause.Assignment{Column: clause.Column{Name: "number"}, Value: "generics set"},
				clause.Assignment{Column: clause.Column{Name: "title"}, Value: "new"},
			).Create(s.ctx)
		}},
		"SkipHooks": {1, func() error {
			ticket := numbered("skip hooks")
			return db.Session(&gorm.Session{SkipHooks: true}).Create(&ticket).Error
		}},
		"SkipDefaultTransaction": {1, func() error {
			ticket := numbered("no transaction")
			return db.Session(&gorm.Session{SkipDefaultTransaction: true}).Create(&ticket).Error
		}},
		"Omit": {1, func() error { ticket := numbered("omit"); return db.Omit("TenantID").Create(&ticket).Error }},
		"Select": {1, func() error {
			ticket := numbered("select")
			return db.Select("Number", "Title").Create(&ticket).Error
		}},
		"Returning": {1, func() error {
			ticket := numbered("returning")
			return db.Clauses(clause.Returning{}).Create(&ticket).Error
		}},
		"Insert clause": {1, func() error {
			ticket := numbered("insert")
			return db.Clauses(clause.Insert{Table: clause.Table{Name: "tickets"}}).Create(&ticket).Error
		}},
		"in a transaction": {1, func() error {
			return db.Transaction(func(tx *gorm.DB) error { ticket := numbered("tx"); return tx.Create(&ticket).Error })
		}},
		"as a subtree": {1, func() error {
			ticket := numbered("subtree")
			return s.db.WithContext(core.WithSubtree(t.Context(), s.tenant)).Create(&ticket).Error
		}},
		"as the system": {1, func() error {
			ticket := numbered("system")
			ticket.TenantID = s.tenant
			return s.db.WithContext(asSystemContext(t)).Create(&ticket).Error
		}},
	})
}

// The struct that the application holds says whose the row is, as it says what its key became.
func TestStampIsSeen(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	db := s.db.WithContext(s.ctx)
	ticket := Ticket{
		Number: "T-1", Comments: []Comment{{Body: "first"}, {Body: "second"}}, Tags: []Tag{{Name: "vip"}},
	}
	require.NoError(t, db.Create(&ticket).Error)
	require.Equal(t, s.tenant, ticket.TenantID)
	require.Equal(t, s.tenant, ticket.Comments[1].TenantID, "children are stamped with their parent")
	require.Equal(t, s.tenant, ticket.Tags[0].TenantID)
	require.Equal(t, int64(2), s.count(t, "comments", s.tenant))
	require.Equal(t, int64(1), s.count(t, "ticket_tags", s.tenant))

	comment := Comment{Body: "third", Ticket: &Ticket{Number: "T-2"}}
	require.NoError(t, db.Session(&gorm.Session{FullSaveAssociations: true}).Create(&comment).Error)
	require.Equal(t, s.tenant, comment.Ticket.TenantID)
	require.NoError(t, db.Model(&ticket).Association("Comments").Append(&Comment{Body: "fourth"}))
	require.Equal(t, int64(4), s.count(t, "comments", s.tenant))

	require.NoError(t, db.Create(Comment{ID: uuid.New(), TicketID: ticket.ID, Body: "by value"}).Error,
		"GORM takes a struct, too, where nothing comes back")
	array := [1]Team{{ID: 7, Name: "by value"}}
	require.NoError(t, db.Omit("ID").Create(&array).Error)
	require.Equal(t, s.tenant, array[0].TenantID)
}

func TestStampOfHooks(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	db := s.db.WithContext(s.ctx)
	require.NoError(t, db.Create(&Hooked{Name: "none"}).Error)
	require.NoError(t, db.Create(&Hooked{Name: "own", Wanted: s.tenant}).Error)
	err := db.Create(&Hooked{Name: "foreign", Wanted: s.other}).Error
	require.ErrorIs(t, err, gormstratum.ErrTenantID)
	require.ErrorIs(t, err, core.ErrCrossTenant)
	require.Equal(t, int64(2), s.count(t, "hookeds", s.tenant))
}

func TestRefusedStamps(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	foreign := gormstratum.Tenant{TenantID: s.other}
	db, system := s.db.WithContext(s.ctx), s.db.WithContext(asSystemContext(t))
	for name, err := range map[string]error{
		"struct":        db.Create(&Ticket{Tenant: foreign, Number: "a"}).Error,
		"slice":         db.Create(&[]Ticket{{Number: "b"}, {Tenant: foreign, Number: "c"}}).Error,
		"map":           db.Model(&Ticket{}).Create(map[string]any{"number": "d", "tenant_id": s.other}).Error,
		"field":         db.Model(&Ticket{}).Create(map[string]any{"number": "e", "TenantID": &s.other}).Error,
		"name":          db.Model(&Ticket{}).Create(map[string]any{"number": "f", "TenantId": s.other}).Error,
		"maps":          db.Model(&Ticket{}).Create([]map[string]any{{"number": "g"}, {"number": "h", "tenant_id": s.other}}).Error,
		"text":          db.Model(&Ticket{}).Create(map[string]any{"number": "i", "tenant_id": "acme"}).Error,
		"expr":          db.Model(&Ticket{}).Create(map[string]any{"number": "j", "tenant_id": gorm.Expr("gen_random_uuid()")}).Error,
		"child":         db.Create(&Ticket{Number: "k", Comments: []Comment{{Tenant: foreign}}}).Error,
		"Save":          db.Save(&Ticket{Tenant: foreign, Number: "l"}).Error,
		"subtree":       s.db.WithContext(core.WithSubtree(t.Context(), s.tenant)).Create(&Ticket{Tenant: foreign, Number: "m"}).Error,
		"system":        system.Create(&Ticket{Number: "n"}).Error,
		"system, a map": system.Model(&Ticket{}).Create(map[string]any{"number": "o", "tenant_id": uuid.Nil}).Error,
		"system, Save":  system.Save(&Ticket{ID: uuid.New(), Number: "p"}).Error,
	} {
		require.ErrorIs(t, err, gormstratum.ErrTenantID, name)
		require.NotContains(t, err.Error(), s.other.String(), "the text names no other tenant")
	}
	require.ErrorIs(t, s.db.Create(&Ticket{Number: "q"}).Error, core.ErrNoTenant)
	require.ErrorIs(t, s.db.Session(&gorm.Session{SkipDefaultTransaction: true}).Create(&Ticket{Number: "q"}).Error,
		core.ErrNoTenant)
	require.ErrorIs(t, system.Omit("TenantID").Create(&Ticket{Tenant: foreign, Number: "r"}).Error, core.ErrNoTenant)
	require.Error(t, db.Create([]*Ticket{nil}).Error)
	require.Error(t, db.Create(&[]Ticket{}).Error)
	require.Zero(t, s.value(t, "SELECT count(*) FROM tickets"))
}

// Save writes every field: what was not read from the database has no tenant, and must not be given to nobody.
func TestSaveWithoutTenant(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	db, system := s.db.WithContext(s.ctx), s.db.WithContext(asSystemContext(t))
	ticket := numbered("T-1")
	require.NoError(t, db.Create(&ticket).Error)

	fromJSON := Ticket{ID: ticket.ID, Number: "T-1", Title: "new"}
	require.NoError(t, db.Save(&fromJSON).Error)
	require.Equal(t, s.tenant, fromJSON.TenantID)
	require.NoError(t, db.Model(&Ticket{ID: ticket.ID}).Select("*").Updates(Ticket{ID: ticket.ID, Number: "T-1"}).Error)

	type change struct {
		TenantID      uuid.UUID
		Number, Title string
	}
	require.NoError(t, db.Model(&Ticket{ID: ticket.ID}).Select("*").Updates(&change{Number: "T-1", Title: "new"}).Error)
	require.ErrorIs(t, system.Save(&Ticket{ID: ticket.ID, Number: "T-1"}).Error, gormstratum.ErrTenantID)
	require.ErrorIs(t, system.Model(&Ticket{ID: ticket.ID}).Select("*").Updates(change{Number: "T-1"}).Error,
		gormstratum.ErrTenantID)
	require.NoError(t, system.Omit("TenantID").Save(&Ticket{ID: ticket.ID, Number: "T-1", Title: "new"}).Error)
	require.Equal(t, int64(1), s.count(t, "tickets", s.tenant))

	require.NoError(t, db.Model(&fromJSON).Updates(Ticket{Title: "newer"}).Error, "other updates do not write it")
	require.NotContains(t, sqlOf(s.ctx, s.db, func(tx *gorm.DB) *gorm.DB {
		return tx.Model(&fromJSON).Updates(Ticket{Title: "newer"})
	}), `SET "tenant_id"`)
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	bolt := core.WithTenant(t.Context(), s.other)
	byNumber := []clause.Column{{Name: "number"}}
	for _, ctx := range []context.Context{s.ctx, bolt} {
		db := s.db.WithContext(ctx)
		require.NoError(t, db.Create(&Ticket{Number: "T-1", Title: "first"}).Error)
		require.NoError(t, db.Create(&Tag{Name: "vip", Title: "first"}).Error)
		tenant, _ := core.TenantFrom(ctx)

		update := db.Clauses(clause.OnConflict{Columns: byNumber, DoUpdates: clause.AssignmentColumns([]string{"title"})})
		require.NoError(t, update.Create(&Ticket{Number: "T-1", Title: "second"}).Error)
		nothing := db.Clauses(clause.OnConflict{Columns: byNumber, DoNothing: true}).Create(&Ticket{Number: "T-1"})
		require.NoError(t, nothing.Error)
		require.Zero(t, nothing.RowsAffected)
		require.NoError(t, db.Clauses(clause.OnConflict{DoNothing: true}).Create(&Ticket{Number: "T-1"}).Error)
		all := clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, UpdateAll: true}
		require.NoError(t, db.Clauses(all).Create(&Tag{Name: "vip", Title: "second"}).Error, "a constraint by the tag unique")
		explicit := clause.OnConflict{Columns: []clause.Column{{Name: "number"}, {Name: "tenant_id"}}, DoNothing: true}
		require.NoError(t, db.Clauses(explicit).Create(&Ticket{Number: "T-1"}).Error)
		require.NoError(t, db.Clauses(clause.OnConflict{Columns: byNumber, DoNothing: true}).
			CreateInBatches([]Ticket{{Number: "T-1"}, {Number: "T-2"}, {Number: "T-1"}}, 1).Error)
		require.NoError(t, db.Clauses(clause.OnConflict{OnConstraint: "uni_tags_name", DoNothing: true}).
			Create(&Tag{Name: "vip"}).Error)
		require.Error(t, db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "title"}}, DoNothing: true}).
			Create(&Ticket{Number: "T-1"}).Error, "there is no such key")

		require.Equal(t, int64(2), s.count(t, "tickets", tenant))
		require.Equal(t, int64(1), s.value(t, "SELECT count(*) FROM tickets WHERE tenant_id = $1 AND title = 'second'", tenant))
		require.Equal(t, int64(1), s.value(t, "SELECT count(*) FROM tags WHERE tenant_id = $1 AND title = 'second'", tenant))
	}
}

// GORM writes to a model's schema while it parses indexes: statements in parallel must not have it do so.
func TestParallelConflicts(t *testing.T) {
	t.Parallel()
	s := newStamping(t)
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 5 {
				require.NoError(t, s.db.WithContext(s.ctx).Clauses(clause.OnConflict{
					Columns: []clause.Column{{Name: "number"}}, DoUpdates: clause.AssignmentColumns([]string{"title"}),
				}).Create(&Ticket{Number: "T-1", Comments: []Comment{{Body: "x"}}}).Error)
			}
		})
	}
}

// A join table of a model of its own is tenant-owned without being listed.
func TestOwnJoinModel(t *testing.T) {
	t.Parallel()
	d := newStratum(t)
	d.db = openDiscreet(t, d)
	require.NoError(t, d.db.SetupJoinTable(&Member{}, "Teams", &Membership{}))
	require.NoError(t, d.db.Use(gormstratum.New(d.st, gormstratum.Options{Models: []any{&Member{}, &Team{}}})))
	require.NoError(t, gormstratum.Migrate(t.Context(), d.db, gormstratum.MigrateOptions{}))
	ctx := d.tenant(t, "acme")
	tenant, _ := core.TenantFrom(ctx)
	db := d.db.WithContext(ctx)

	ann := Member{Name: "ann", Teams: []Team{{Name: "red"}}}
	require.NoError(t, db.Create(&ann).Error)
	require.Equal(t, int64(1), d.count(t, "memberships", tenant))
	require.NoError(t, db.Model(&Membership{}).Where("member_id = ?", ann.ID).Update("role", "lead").Error)

	// GORM writes the condition of the join table's soft delete as a fragment, and drops its parameters.
	var teams []Team
	require.NoError(t, db.Model(&ann).Association("Teams").Find(&teams))
	require.Len(t, teams, 1)
	require.Equal(t, int64(1), db.Model(&ann).Association("Teams").Count())
	require.NoError(t, db.Preload("Teams").First(&ann).Error)
	require.Len(t, ann.Teams, 1)
	other := d.db.WithContext(d.tenant(t, "bolt"))
	require.Zero(t, other.Model(&ann).Association("Teams").Count())
}
