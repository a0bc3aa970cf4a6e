package guard

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Config says how a Connector makes and uses connections.
type Config struct {
	// Data lends connections for statements of one tenant.
	Data *Pool
	// System lends connections for statements across tenants.
	System *Pool
	// Roles are the roles that statements run as.
	Roles Roles
	// SearchPath is set for every statement. pg_temp must be its last entry.
	SearchPath string
}

// Connector makes guarded connections for sql.OpenDB. They are made of nothing: a statement or a transaction borrows a
// connection to the server from the pool of its scope and gives it back at its end. Who is waiting for one kind of
// scope therefore holds nothing that the other kind needs, and a system statement inside a tenant's transaction cannot
// wait for itself. The pools bound the number of connections; the sql.DB in front of them needs no bound.
type Connector struct {
	config Config
	forms  map[scope.Kind]*form
	// The rules are fields so that tests can show what happens without them.
	check      func(c sqltext.Command, tx bool) error
	needsBlock func(c sqltext.Command) bool
}

// NewConnector returns a Connector for config. It does not connect.
func NewConnector(config Config) *Connector {
	c := &Connector{config: config, forms: make(map[scope.Kind]*form), check: check, needsBlock: needsBlock}
	for _, kind := range []scope.Kind{scope.Tenant, scope.Subtree, scope.System} {
		f := newForm(kind, config.Roles, config.SearchPath)
		c.forms[kind] = &f
	}
	return c
}

func (c *Connector) form(sc scope.Scope) *form { return c.forms[sc.Kind] }

// Connect returns a guarded connection. It needs no server yet.
func (c *Connector) Connect(context.Context) (driver.Conn, error) { return &conn{connector: c}, nil }

// pool returns the pool for statements of scope sc.
func (c *Connector) pool(sc scope.Scope) *Pool {
	if sc.Kind == scope.System {
		return c.config.System
	}
	return c.config.Data
}

// Driver returns a driver that refuses to open anything: a guarded connection is made by its Connector alone.
func (c *Connector) Driver() driver.Driver { return refusingDriver{} }

type refusingDriver struct{}

// Open always refuses.
func (refusingDriver) Open(string) (driver.Conn, error) {
	return nil, fmt.Errorf("%w: this driver opens no connections by name (use core.Open and st.DB)", ErrConfig)
}
