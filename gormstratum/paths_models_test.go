package gormstratum_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
	"github.com/stratum-hq/stratum-go/internal/conformance"
)

// The models of the conformance suite beside those of the desk: relations of every kind.
type (
	Abode  struct{ Street string }
	Person struct {
		gormstratum.Tenant
		ID      uuid.UUID `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		Title   string
		Home    Abode    `gorm:"embedded;embeddedPrefix:home_"`
		Badge   *Badge   // has one
		Remarks []Remark `gorm:"polymorphic:Owner"`
		Watched []Ticket `gorm:"many2many:watchers"` // a join table with a model of its own
	}
	Badge struct {
		gormstratum.Tenant
		ID       uuid.UUID  `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		PersonID *uuid.UUID `gorm:"type:uuid"`
		Person   *Person
		Title    string
	}
	Remark struct {
		gormstratum.Tenant
		ID        uuid.UUID  `gorm:"type:uuid;primaryKey;default:gen_random_uuid()"`
		OwnerID   *uuid.UUID `gorm:"type:uuid;index"`
		OwnerType string
		ParentID  *uuid.UUID `gorm:"type:uuid"`
		Parent    *Remark
		Replies   []Remark `gorm:"foreignKey:ParentID"`
		Title     string
		DeletedAt gorm.DeletedAt
	}
	Watcher struct {
		gormstratum.Tenant
		TicketID uuid.UUID `gorm:"type:uuid;primaryKey"`
		PersonID uuid.UUID `gorm:"type:uuid;primaryKey"`
		Title    string
	}
	// talking is a ticket whose hooks run statements.
	talking struct {
		gormstratum.Tenant
		ID    uuid.UUID `gorm:"type:uuid;primaryKey"`
		Title string
		Heard []string `gorm:"-"`
	}
)

// TableName names the table.
func (*talking) TableName() string { return "tickets" }

// AfterFind reads the ticket's comments.
func (k *talking) AfterFind(tx *gorm.DB) error {
	return tx.Session(&gorm.Session{NewDB: true}).Model(&Comment{}).Where("ticket_id = ?", k.ID).Pluck("body", &k.Heard).Error
}

// BeforeUpdate changes the ticket's comments.
func (k *talking) BeforeUpdate(tx *gorm.DB) error {
	return tx.Session(&gorm.Session{NewDB: true}).Model(&Comment{}).Where("ticket_id = ?", k.ID).Update("body", "taken").Error
}

// BeforeDelete does so in SQL.
func (k *talking) BeforeDelete(tx *gorm.DB) error {
	return tx.Session(&gorm.Session{NewDB: true}).Exec("DELETE FROM comments WHERE ticket_id = ?", k.ID).Error
}

func conformanceModels() []any {
	return append(deskModels(), &Person{}, &Badge{}, &Remark{}, &Watcher{})
}

// openConformance opens the suite's database with the plugin and makes its tables.
func openConformance(t *testing.T, st *core.Stratum, configure ...func(*gorm.Config)) *gorm.DB {
	t.Helper()
	db := useConformance(t, st, configure...)
	require.NoError(t, gormstratum.Migrate(t.Context(), db, gormstratum.MigrateOptions{}))
	return db
}

// useConformance opens the suite's database with the plugin.
func useConformance(t *testing.T, st *core.Stratum, configure ...func(*gorm.Config)) *gorm.DB {
	t.Helper()
	config := &gorm.Config{Logger: logger.Discard}
	for _, c := range configure {
		c(config)
	}
	db, err := gorm.Open(gormstratum.Open(st), config)
	require.NoError(t, err)
	require.NoError(t, db.SetupJoinTable(&Person{}, "Watched", &Watcher{}))
	require.NoError(t, db.Use(gormstratum.New(st, gormstratum.Options{Models: conformanceModels()})))
	return db
}

// read and write are paths in short: tx is the db with the caller's context, from which all else follows.
type (
	target = conformance.Target
	read   func(tx *gorm.DB, x target) (any, error)
	write  func(tx *gorm.DB, x target) error
)

// reading makes paths of reads, in a fixed order.
func reading(db *gorm.DB, all map[string]read) []conformance.Path {
	paths := make([]conformance.Path, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		paths = append(paths, reads(name, func(ctx context.Context, x target) (any, error) {
			return all[name](db.WithContext(ctx), x)
		}))
	}
	return paths
}

// writing makes paths of writes.
func writing(db *gorm.DB, all map[string]write) []conformance.Path {
	paths := make([]conformance.Path, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		paths = append(paths, writes(name, func(ctx context.Context, x target) error {
			return all[name](db.WithContext(ctx), x)
		}))
	}
	return paths
}

// one reads one value of a query.
func one[T any](tx *gorm.DB) (any, error) {
	var v T
	err := tx.Take(&v).Error
	return v, err
}

// scanned reads whatever rows a query has, as text.
func scanned(tx *gorm.DB) (any, error) {
	var rows []map[string]any
	err := tx.Scan(&rows).Error
	return rows, err
}

// told returns what a caller learns of a secret from a number.
func told(x target, n int64, err error) (any, error) {
	if err != nil || n == 0 {
		return nil, err
	}
	return cmp.Or(x.Secret, "?"), nil
}

func of(x target) gormstratum.Tenant { return gormstratum.Tenant{TenantID: x.Tenant} }
