package gormstratum

import (
	"context"

	"gorm.io/gorm"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
)

// Verify is core.Stratum.Verify with what the models of db know beyond the database: a model without a table, a table
// whose model says something else of it than what was recorded, and unique keys and foreign keys that a model declares
// and the database does not have. A table is taken for what its model says, also where Migrate has not recorded it.
//
// Call it after Migrate at a program's start, or in CI, and let Report.Err end the program:
//
//	report, err := gormstratum.Verify(ctx, db)
//	if err == nil {
//		err = report.Err()
//	}
//
// It changes nothing and needs no tenant in ctx. Errors are those of core.Stratum.Verify, ErrNotUsed and ErrModel.
func Verify(ctx context.Context, db *gorm.DB) (*core.Report, error) {
	p, err := pluginOf(db)
	if err != nil {
		return nil, err
	}
	// As in Migrate: what is wanted is read from schemas of its own. Nothing connects as the owner.
	owner, err := p.ownerDB(db)
	if err != nil {
		return nil, err
	}
	list, err := describe(owner, p.registry)
	if err != nil {
		return nil, err
	}
	return p.st.VerifyTables(ctx, access.Token{}, list)
}
