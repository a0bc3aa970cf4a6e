package configcache

import "errors"

// ErrPooled is why a connection cannot listen: a pooler gives the server's connections to others in between, and
// notifications go astray.
var ErrPooled = errors.New("stratum: a pooler stands in front of the server (give a DSN that leads past it)")
