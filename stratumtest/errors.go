package stratumtest

import (
	"errors"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// ErrUnavailable is matched by errors of Start that mean: no PostgreSQL can be had here. Their text tells what was
// tried and what to install, and never contains a DSN.
var ErrUnavailable = pgserver.ErrUnavailable

// ErrName is returned for a database name that is too long for the roles named after it.
var ErrName = errors.New("stratumtest: database name is too long (use at most 48 bytes)")
