package pgproxy

import "errors"

var (
	// ErrDSN is returned by Start for a DSN that cannot be read. Its text has no part of the DSN in it.
	ErrDSN = errors.New("pgproxy: the DSN cannot be read (give a URL)")
	// errStartup ends a connection that does not begin as the protocol demands.
	errStartup = errors.New("pgproxy: not a startup message of PostgreSQL's protocol 3")
)
