package core

import (
	"context"
	"database/sql/driver"

	"github.com/jackc/pgx/v5/stdlib"
)

// ownerConnector connects as the owner of what is at a placement. The reference is looked up each time.
type ownerConnector struct {
	st        *Stratum
	placement Placement
	database  string
}

// Connect makes a connection.
func (c ownerConnector) Connect(ctx context.Context) (driver.Conn, error) {
	config, err := c.st.ownerConfig(ctx, c.placement, c.database)
	if err != nil {
		return nil, err
	}
	return stdlib.GetConnector(*config).Connect(ctx)
}

// Driver is pgx's.
func (ownerConnector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }
