package gormstratum_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// Coupon has a unique index of each kind that ON CONFLICT can name.
type Coupon struct {
	gormstratum.Tenant
	ID    uint
	Code  string `gorm:"uniqueIndex:idx_coupon_code,where:not used"`
	Email string `gorm:"uniqueIndex:idx_coupon_email,expression:lower(email)"`
	Batch string `gorm:"unique"`
	Used  bool
	Note  string
}

// Visit has no unique key besides its primary key.
type Visit struct {
	gormstratum.Tenant
	ID   uint
	Note string
}

func columns(names ...string) []clause.Column {
	list := make([]clause.Column, len(names))
	for i, name := range names {
		list[i] = clause.Column{Name: name}
	}
	return list
}

// rivals are two tenants with a visit each.
type rivals struct {
	desk

	mine, theirs *gorm.DB
	acme, bolt   uuid.UUID
}

func newRivals(t *testing.T, configure ...func(*gorm.Config)) rivals {
	t.Helper()
	r := rivals{desk: newDesk(t, append(deskModels(), &Coupon{}, &Visit{}), configure...)}
	acme, bolt := r.tenant(t, "acme"), r.tenant(t, "bolt")
	r.acme, _ = core.TenantFrom(acme)
	r.bolt, _ = core.TenantFrom(bolt)
	r.mine, r.theirs = r.db.WithContext(acme), r.db.WithContext(bolt)
	require.NoError(t, r.mine.Create(&Visit{ID: 1, Note: "7"}).Error)
	require.NoError(t, r.theirs.Create(&Visit{ID: 2, Note: "theirs"}).Error)
	return r
}

func (r rivals) unharmed(t *testing.T) {
	t.Helper()
	require.Equal(t, int64(1), r.value(t, "SELECT count(*) FROM visits WHERE tenant_id = $1 AND note = 'theirs'", r.bolt))
	require.Equal(t, int64(1), r.count(t, "visits", r.bolt))
}

// Each way to name a rewritten unique index still finds it.
func TestConflictTargets(t *testing.T) {
	t.Parallel()
	r := newRivals(t)
	update := clause.AssignmentColumns([]string{"note"})
	unused := clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "NOT used"}}}
	for name, conflict := range map[string]clause.OnConflict{
		"partial index":         {Columns: columns("code"), TargetWhere: unused, DoUpdates: update},
		"expression":            {Columns: []clause.Column{{Name: "lower(email)", Raw: true}}, DoUpdates: update},
		"constraint":            {OnConstraint: "uni_coupons_batch", DoUpdates: update},
		"column":                {Columns: columns("batch"), DoUpdates: update},
		"primary key":           {Columns: columns("id"), DoUpdates: update},
		"in its own constraint": {OnConstraint: "coupons_pkey", DoUpdates: update},
	} {
		for tenant, db := range map[uuid.UUID]*gorm.DB{r.acme: r.mine, r.bolt: r.theirs} {
			coupon := Coupon{Code: name, Email: name + "@Example.org", Batch: name, Note: "first"}
			require.NoError(t, db.Create(&coupon).Error, name)
			coupon.Note, coupon.Email = "second", name+"@example.ORG"
			if name != "primary key" && name != "in its own constraint" {
				coupon.ID = 0
			}
			for range 2 {
				result := db.Clauses(conflict).Create(&coupon)
				require.NoError(t, result.Error, name)
				require.Equal(t, int64(1), result.RowsAffected, name)
			}
			require.Equal(t, int64(1), r.value(t,
				"SELECT count(*) FROM coupons WHERE tenant_id = $1 AND batch = $2 AND note = 'second'", tenant, name), name)
		}
	}
	err := r.mine.Exec("INSERT INTO coupons (batch) VALUES ('x') ON CONFLICT (batch) DO NOTHING").Error
	require.ErrorIs(t, err, core.ErrConflictTarget)
	require.ErrorContains(t, err, "ON CONFLICT (tenant_id, number)")
	require.NoError(t, r.mine.Exec("INSERT INTO coupons (batch) VALUES ('x') ON CONFLICT (tenant_id, batch) DO NOTHING").Error)
}

// What is there because of another tenant never passes for success, and its content decides nothing.
func TestConflictWithAnotherTenant(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*gorm.Config){
		"default":                func(*gorm.Config) {},
		"SkipDefaultTransaction": func(c *gorm.Config) { c.SkipDefaultTransaction = true },
	} {
		r := newRivals(t, configure)
		update := clause.AssignmentColumns([]string{"note"})
		where := func(sql string) clause.Where {
			return clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: sql}}}
		}
		for text, test := range map[string]struct {
			conflict clause.OnConflict
			want     error
		}{
			"update":               {clause.OnConflict{Columns: columns("id"), DoUpdates: update}, core.ErrCrossTenant},
			"update all":           {clause.OnConflict{UpdateAll: true}, core.ErrCrossTenant},
			"update where false":   {clause.OnConflict{Columns: columns("id"), DoUpdates: update, Where: where("false")}, core.ErrCrossTenant},
			"update where true":    {clause.OnConflict{Columns: columns("id"), DoUpdates: update, Where: where("true")}, core.ErrCrossTenant},
			"update where content": {clause.OnConflict{Columns: columns("id"), DoUpdates: update, Where: where("visits.note LIKE 'x%'")}, core.ErrCrossTenant},
			"update where an error shows content": {
				clause.OnConflict{Columns: columns("id"), DoUpdates: update, Where: where("visits.note::int = 0")}, core.ErrCrossTenant,
			},
			"nothing":                    {clause.OnConflict{DoNothing: true}, core.ErrDuplicateKey},
			"nothing on the primary key": {clause.OnConflict{Columns: columns("id"), DoNothing: true}, core.ErrDuplicateKey},
			"nothing on its constraint":  {clause.OnConflict{OnConstraint: "visits_pkey", DoNothing: true}, core.ErrDuplicateKey},
		} {
			for _, rows := range []any{&Visit{ID: 2, Note: "x"}, &[]Visit{{ID: 1, Note: "7"}, {ID: 2, Note: "x"}}} {
				err := r.mine.Clauses(test.conflict).Create(rows).Error
				require.ErrorIs(t, err, test.want, name+", "+text)
				require.NotContains(t, err.Error(), "theirs", text)
				require.NotContains(t, err.Error(), r.bolt.String(), text)
			}
		}
		r.unharmed(t)
	}
}

// The tenant's own conflicts are what they are without Stratum.
func TestConflictWithOwnRow(t *testing.T) {
	t.Parallel()
	r := newRivals(t)
	byKey := clause.OnConflict{Columns: columns("id"), DoUpdates: clause.AssignmentColumns([]string{"note"})}
	byKey.Where = clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "visits.note = ?", Vars: []any{"other"}}}}
	result := r.mine.Clauses(byKey).Create(&Visit{ID: 1, Note: "changed"})
	require.NoError(t, result.Error)
	require.Zero(t, result.RowsAffected, "its WHERE is obeyed")
	byKey.Where.Exprs = []clause.Expression{clause.Expr{SQL: "visits.note = 'x' OR visits.note = '7'"}}
	require.Equal(t, int64(1), r.mine.Clauses(byKey).Create(&Visit{ID: 1, Note: "changed"}).RowsAffected)

	nothing := clause.OnConflict{DoNothing: true}
	require.NoError(t, r.mine.Clauses(nothing).Create(&[]Visit{{ID: 1}, {ID: 7}, {Note: "new"}}).Error)
	require.NoError(t, r.mine.Create(&Ticket{Number: "T-1"}).Error)
	require.NoError(t, r.mine.Clauses(nothing).Create(&Ticket{ID: uuid.New(), Number: "T-1"}).Error,
		"the number is taken by a row of its own")
	foreign := Ticket{Number: "T-2"}
	require.NoError(t, r.theirs.Create(&foreign).Error)
	require.ErrorIs(t, r.mine.Clauses(nothing).Create(&Ticket{ID: foreign.ID, Number: "T-3"}).Error, core.ErrDuplicateKey)
	require.NoError(t, r.mine.Clauses(nothing).Create(&Coupon{ID: 1, Code: "a", Batch: "b"}).Error)
	require.NoError(t, r.mine.Clauses(nothing).Create(&Coupon{ID: 1, Code: "c", Batch: "d"}).Error)
	r.unharmed(t)
}

// A statement that is used again, and as another tenant, takes nothing along from the one before.
func TestConflictUsedAgain(t *testing.T) {
	t.Parallel()
	r := newRivals(t)
	conflict := clause.OnConflict{
		Columns: columns("number"), DoUpdates: clause.AssignmentColumns([]string{"title"}),
		Where: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "tickets.title = 'first'"}}},
	}
	query := r.db.Clauses(conflict)
	for _, db := range []*gorm.DB{r.mine, r.theirs, r.mine} {
		ctx := db.Statement.Context
		require.NoError(t, db.Where("1 = 1").Delete(&Ticket{}).Error)
		require.NoError(t, query.WithContext(ctx).Create(&Ticket{Number: "T-1", Title: "first"}).Error)
		require.Equal(t, int64(1), query.WithContext(ctx).Create(&Ticket{Number: "T-1", Title: "second"}).RowsAffected)
		require.Zero(t, query.WithContext(ctx).Create(&Ticket{Number: "T-1", Title: "third"}).RowsAffected)
	}
}

// The system may write every row, but not one tenant's values over another's by a key that both have.
func TestConflictAsSystem(t *testing.T) {
	t.Parallel()
	r := newRivals(t)
	system := r.db.WithContext(asSystemContext(t))
	update := clause.OnConflict{Columns: columns("id"), DoUpdates: clause.AssignmentColumns([]string{"note"})}
	visit := func(id uint, tenant uuid.UUID) *Visit {
		return &Visit{Tenant: gormstratum.Tenant{TenantID: tenant}, ID: id, Note: "the system's"}
	}
	require.ErrorIs(t, system.Clauses(update).Create(visit(2, r.acme)).Error, core.ErrCrossTenant)
	require.ErrorIs(t, system.Clauses(clause.OnConflict{UpdateAll: true}).Create(visit(2, r.acme)).Error, core.ErrCrossTenant)
	r.unharmed(t)
	require.NoError(t, system.Clauses(update).Create(visit(2, r.bolt)).Error)
	require.Equal(t, int64(1), r.value(t, "SELECT count(*) FROM visits WHERE note = 'the system''s'"))
}
