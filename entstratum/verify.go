package entstratum

import (
	"context"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/internal/access"
)

// Verify is core.Stratum.Verify with what the schemas know beyond the database: a schema without a table, a table whose
// schema says something else of it than what was recorded, and unique keys and foreign keys that a schema declares and
// the database does not have. The generated ent.StratumVerify(ctx, client) calls it.
//
// Call it after Migrate at a program's start, or in CI, and let Report.Err end the program. It changes nothing and
// needs no tenant in ctx.
func Verify(ctx context.Context, st *core.Stratum, r *Registry) (*core.Report, error) {
	list, err := r.describe()
	if err != nil {
		return nil, err
	}
	return st.VerifyTables(ctx, access.Token{}, list)
}
