package entstratum

import (
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/stratum-hq/stratum-go/core"
)

// Router is ent's driver on the guarded pool of a core.Stratum. Statements find their tenant in their context; nothing
// of one is kept here.
type Router struct {
	*sql.Driver

	st *core.Stratum
}

// Driver returns ent's driver on the guarded pool of st, for a generated client:
//
//	client := ent.NewClient(ent.Driver(entstratum.Driver(st)))
//
// which is what the generated ent.OpenStratum(st) does. Closing the client leaves the pool open; st.Close ends it.
func Driver(st *core.Stratum) *Router {
	return &Router{Driver: sql.OpenDB(dialect.Postgres, st.DB()), st: st}
}

// Close does nothing: the pool is that of the core.Stratum, whose Close ends it.
func (*Router) Close() error { return nil }

// Stratum returns the handle that drv is on. It returns ErrDriver for a driver that Driver has not made.
func Stratum(drv dialect.Driver) (*core.Stratum, error) {
	for {
		switch d := drv.(type) {
		case *Router:
			return d.st, nil
		case *dialect.DebugDriver:
			drv = d.Driver
		case *sealer:
			drv = d.Driver
		default:
			return nil, ErrDriver
		}
	}
}
