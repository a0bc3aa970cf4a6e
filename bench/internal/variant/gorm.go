package variant

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/bench/internal/world"
)

// model is a row as GORM sees it. T is the struct, which differs in the name of its table.
type model[T any] struct {
	owner func(*T) uuid.UUID
	// fresh makes a row to insert. tenant is set where nobody stamps it.
	fresh func(tenant uuid.UUID) *T
	// byHand adds WHERE tenant_id = ? to what the model reads and changes.
	byHand bool
}

// scoped runs fn on a session of GORM that belongs to the tenant of pick. How it comes to do so is the variant.
type scoped func(ctx context.Context, pick world.Pick, fn func(db *gorm.DB) error) error

const newTitle = "changed"

// actions puts the operations of a model into a scope.
func (m model[T]) actions(in scoped) map[Op]Action {
	one := func(do func(db *gorm.DB, pick world.Pick) error) Action {
		return func(ctx context.Context, pick world.Pick) (Seen, error) {
			err := in(ctx, pick, func(db *gorm.DB) error { return do(db, pick) })
			return Seen{Rows: 1}, err
		}
	}
	list := func(limit int) Action {
		return func(ctx context.Context, pick world.Pick) (seen Seen, err error) {
			err = in(ctx, pick, func(db *gorm.DB) error {
				seen, err = m.list(db, pick, limit)
				return err
			})
			return seen, err
		}
	}
	return map[Op]Action{
		PointRead: func(ctx context.Context, pick world.Pick) (seen Seen, err error) {
			err = in(ctx, pick, func(db *gorm.DB) error {
				seen, err = m.read(db, pick)
				return err
			})
			return seen, err
		},
		List: list(listRows), ListOne: list(1), ListMany: list(manyRows),
		Insert: one(m.insert), Update: one(m.update), Transaction: one(m.transaction),
	}
}

// where is the predicate by hand, or nothing.
func (m model[T]) where(db *gorm.DB, pick world.Pick) *gorm.DB {
	if m.byHand {
		return db.Where("tenant_id = ?", pick.Tenant)
	}
	return db
}

func (m model[T]) read(db *gorm.DB, pick world.Pick) (seen Seen, err error) {
	var row T
	if err := m.where(db, pick).First(&row, "id = ?", pick.Row).Error; err != nil {
		return seen, err
	}
	seen.add(m.owner(&row), pick.Tenant)
	return seen, nil
}

func (m model[T]) list(db *gorm.DB, pick world.Pick, limit int) (seen Seen, err error) {
	var rows []T
	if err := m.where(db, pick).Order("created_at DESC").Limit(limit).Find(&rows).Error; err != nil {
		return seen, err
	}
	for i := range rows {
		seen.add(m.owner(&rows[i]), pick.Tenant)
	}
	return seen, nil
}

func (m model[T]) insert(db *gorm.DB, pick world.Pick) error {
	return db.Create(m.fresh(pick.Tenant)).Error
}

func (m model[T]) update(db *gorm.DB, pick world.Pick) error {
	result := m.where(db.Model(new(T)), pick).Where("id = ?", pick.Row).Update("title", newTitle)
	if result.Error == nil && result.RowsAffected != 1 {
		return gorm.ErrRecordNotFound
	}
	return result.Error
}

func (m model[T]) transaction(db *gorm.DB, pick world.Pick) error {
	return db.Transaction(func(tx *gorm.DB) error {
		if _, err := m.read(tx, pick); err != nil {
			return err
		}
		if err := m.update(tx, pick); err != nil {
			return err
		}
		return m.insert(tx, pick)
	})
}
