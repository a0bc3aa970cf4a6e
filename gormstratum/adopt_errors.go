package gormstratum

import (
	"github.com/stratum-hq/stratum-go/internal/adopt"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Refusals of Adopt and Eject, for errors.Is, beside ErrExistingRows. Migrate returns the first two as well.
var (
	// ErrReference is returned where existing rows violate a foreign key, such as by a reference across tenants.
	ErrReference = tables.ErrReference
	// ErrDuplicate is returned where existing rows violate a unique key.
	ErrDuplicate = tables.ErrDuplicate
	// ErrKey is returned for a table of which it is not known whose its rows are, and for keys that have no tenant.
	ErrKey = tables.ErrKey
	// ErrAdopting is returned by Migrate for a table that is being adopted online, until it is sealed.
	ErrAdopting = tables.ErrAdopting
	// ErrAdoptRunning is returned while another process adopts or ejects tables of the same database.
	ErrAdoptRunning = adopt.ErrRunning
)
