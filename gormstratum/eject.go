package gormstratum

import (
	"context"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/internal/adopt"
)

// Eject is the way back of Adopt, to the step that options.To names: by default all the way, to what the plain
// version's AutoMigrate makes. It serves tables that Migrate has made tenant-owned, too. It keeps what Adopt keeps: no
// statement stops writers for long, and it can be called again whatever ended it. The key columns are what they were,
// and have been kept in step for all rows since.
//
// Back from AdoptSealed, unique indexes must hold for all tenants together again. Where two tenants have the same value
// by now, ErrDuplicate is returned with a query that finds them, and the tables stay sealed.
//
// The roles of Stratum keep USAGE on the schemas, and what Migrate took from PUBLIC on tables is not given back.
func Eject(ctx context.Context, db *gorm.DB, options AdoptOptions) error {
	config, err := adoptConfig(ctx, db, options)
	if err != nil {
		return err
	}
	return adopt.Back(ctx, config, options.To)
}

// EjectScript returns what Eject would run, as SQL for psql, and changes nothing.
func EjectScript(ctx context.Context, db *gorm.DB, options AdoptOptions) (string, error) {
	config, err := adoptConfig(ctx, db, options)
	if err != nil {
		return "", err
	}
	return adopt.BackScript(ctx, config, options.To)
}
