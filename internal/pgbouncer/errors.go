package pgbouncer

import "errors"

var (
	// ErrMissing is returned by Start where the program is not installed.
	ErrMissing = errors.New("pgbouncer: the program is not in PATH or /usr/sbin (apt-get install pgbouncer, or your " +
		"system's package of that name)")
	// ErrDSN is returned for a DSN that cannot be read. Its text has no part of the DSN in it.
	ErrDSN = errors.New("pgbouncer: a DSN cannot be read (give URLs of one server)")
)
