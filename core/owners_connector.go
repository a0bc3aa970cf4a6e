package core

import (
	"context"
	"database/sql/driver"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/stratum-hq/stratum-go/internal/guard"
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
	return quietConnector{stdlib.GetConnector(*config)}.Connect(ctx)
}

// Driver is pgx's.
func (ownerConnector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// quietConnector is a connector whose errors leave out what the DSN says.
type quietConnector struct{ driver.Connector }

// Connect makes a connection.
func (c quietConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, guard.RedactConnect(err)
	}
	return conn, nil
}
