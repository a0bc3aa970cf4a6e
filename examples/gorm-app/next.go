package main

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/gormstratum"
)

// InternalComment is Comment in the next version of the program.
type InternalComment struct {
	Comment
	Internal bool `gorm:"not null;default:false"` // not for the requester's eyes
}

// TableName is that of Comment.
func (InternalComment) TableName() string { return "comments" }

// Next is what the next version of the program does instead of gormstratum.Migrate, once tenants have schemas and
// databases of their own: it has the models as they will be, and the column follows in each of these.
func (a *app) Next(context.Context) (string, core.Migrations, error) {
	db, err := gorm.Open(gormstratum.Open(a.st), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return "", core.Migrations{}, err
	}
	models := []any{&Country{}, &Ticket{}, &InternalComment{}, &Tag{}}
	if err := db.Use(gormstratum.New(a.st, gormstratum.Options{Models: models})); err != nil {
		return "", core.Migrations{}, err
	}
	const title = "Adding the column comments.internal to the shared tables, and to each schema and database of a tenant"
	return title, gormstratum.Migrations(db, gormstratum.MigrateOptions{}), nil
}
