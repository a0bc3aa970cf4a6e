package guard

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Config says how a Connector makes and uses connections.
type Config struct {
	// Home is where statements go that are led nowhere else.
	Home *Place
	// Router leads statements to other places. Defaults to none: all of them go to Home.
	Router Router
	// Roles are the roles that statements run as.
	Roles Roles
	// Forms are the ways to enter, the same as those of the pools.
	Forms *Forms
	// Limit is what a tenant may have going on at once; nil is no limit. It is asked for every statement that is not in
	// a transaction, and for every transaction.
	Limit func(tenant uuid.UUID) (Limit, error)
	// StatementTimeout is how long the server works on one statement of a tenant before it gives up, in whole
	// milliseconds; nil or 0 leaves what the login has. It is asked for whenever a tenant's scope is entered.
	StatementTimeout func(tenant uuid.UUID) time.Duration
}

// Connector makes guarded connections for sql.OpenDB. They are made of nothing: a statement or a transaction borrows a
// connection to the server from the pool of its scope and gives it back at its end. Who is waiting for one kind of
// scope therefore holds nothing that the other kind needs, and a system statement inside a tenant's transaction cannot
// wait for itself. The pools bound the number of connections; the sql.DB in front of them needs no bound.
type Connector struct {
	config  Config
	forms   *Forms
	limiter limiter
	// The rules are fields so that tests can show what happens without them.
	check      func(c sqltext.Command, tx bool) error
	hardened   func(c sqltext.Command, tx bool) error
	needsBlock func(c sqltext.Command) bool
	carried    func(p *Place, e *entry) []string
}

// NewConnector returns a Connector for config. It does not connect.
func NewConnector(config Config) *Connector {
	return &Connector{
		config: config, forms: config.Forms, check: check, hardened: checkHardened,
		needsBlock: needsBlock, carried: carried,
	}
}

// Connect returns a guarded connection. It needs no server yet.
func (c *Connector) Connect(context.Context) (driver.Conn, error) { return &conn{connector: c}, nil }

// outdated reports whether enter failed because of what this side believed of the tenant, and forgets it: nothing was
// done, and the second try asks the server.
func (w at) outdated(err error) bool {
	switch code := sqlState(err); {
	case code == codeEpoch:
		// A replica says the same when it is none any more, whatever was known of the tenant.
		return w.standing().drop(w.scope.Tenant) || w.replica == nil
	case code == codeProof && w.replica == nil: // which may be behind
		w.place.Database.prover.drop()
		return true
	}
	return false
}

// Driver returns a driver that refuses to open anything: a guarded connection is made by its Connector alone.
func (c *Connector) Driver() driver.Driver { return refusingDriver{} }

type refusingDriver struct{}

// Open always refuses.
func (refusingDriver) Open(string) (driver.Conn, error) {
	return nil, fmt.Errorf("%w: this driver opens no connections by name (use core.Open and st.DB)", ErrConfig)
}
