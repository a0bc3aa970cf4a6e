package provision

import "errors"

// Refusals, for errors.Is.
var (
	// ErrNoModel is returned while no table has been declared: there is nothing to make.
	ErrNoModel = errors.New("stratum: no tables are known yet (run gormstratum.Migrate or ent's StratumMigrate " +
		"before " +
		"a tenant is given a schema or a database of its own)")
	// ErrForeign is returned for a database or a schema that is somebody else's.
	ErrForeign = errors.New("stratum: the name is taken by something that is not this tenant's")
	// ErrUnverified is returned for tables that are not as they must be after all has been done.
	ErrUnverified = errors.New("stratum: the tenant's tables are not what they must be")
	// ErrKeysSpent is returned for shared tables whose sequences have left the range that is theirs.
	ErrKeysSpent = errors.New("stratum: a sequence of the shared tables has passed the range that is left for " +
		"tenants " +
		"elsewhere (use uuid keys)")
)
