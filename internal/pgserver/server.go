package pgserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// The values of Source.Kind.
const (
	KindEnvironment = "environment"
	KindBinaries    = "binaries"
	KindEmbedded    = "embedded"
)

// Source tells where a server came from.
type Source struct {
	// Kind is KindEnvironment, KindBinaries or KindEmbedded.
	Kind string
	// Version is what the server says of itself, such as "15.14 (Debian 15.14-0+deb12u1)".
	Version string
	// BinDir is the folder of the binaries that run. Empty for a server named by the environment.
	BinDir string
}

// String describes the source in a line for people to read.
func (s Source) String() string {
	switch s.Kind {
	case KindEnvironment:
		return fmt.Sprintf("PostgreSQL %s, named by %s", s.Version, DatabaseURLVariable)
	case KindEmbedded:
		return fmt.Sprintf("PostgreSQL %s, downloaded by embedded-postgres", s.Version)
	default:
		return fmt.Sprintf("PostgreSQL %s from %s", s.Version, s.BinDir)
	}
}

// Server is a PostgreSQL that answers. It is safe for concurrent use and holds no goroutine.
type Server struct {
	source    Source
	endpoint  endpoint
	folder    string
	trust     bool
	superuser bool
	stop      func() error
}

// Start finds or starts a server and returns once it answers. ctx bounds the start alone: the server lives until Close
// or until this process ends, however it ends. Errors: *UnavailableError, or that of ctx.
func Start(ctx context.Context, config Config) (*Server, error) {
	config = config.withDefaults()
	if dsn := config.Getenv(DatabaseURLVariable); dsn != "" && config.StandbyOf == "" {
		server, err := useEnvironment(ctx, dsn)
		if err != nil {
			// A server that was asked for by name is not silently replaced by another one.
			return nil, unavailable(ctx, environmentCure, Attempt{Source: DatabaseURLVariable, Err: err})
		}
		return server, nil
	}
	return startOwn(ctx, config)
}

// startOwn tries every source that this process runs itself.
func startOwn(ctx context.Context, config Config) (*Server, error) {
	attempts := []Attempt{{Source: DatabaseURLVariable, Err: errors.New("not set")}}
	server, tried := startBinaries(ctx, config)
	if server != nil {
		return server, nil
	}
	attempts = append(attempts, tried...)
	if ctx.Err() != nil {
		return nil, unavailable(ctx, installCure, attempts...)
	}
	server, err := startEmbedded(ctx, config)
	if err != nil {
		attempts = append(attempts, Attempt{Source: "embedded-postgres", Err: err})
		return nil, unavailable(ctx, installCure, attempts...)
	}
	return server, nil
}

// unavailable prefers the end of ctx: a caller who gave up is not told to install anything.
func unavailable(ctx context.Context, cure string, attempts ...Attempt) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("pgserver: start: %w", err)
	}
	return &UnavailableError{Attempts: attempts, Cure: cure}
}

// newOwned completes a server that this process runs: its Close may be called any number of times.
func newOwned(server Server, stop func() error) *Server {
	server.stop = sync.OnceValue(stop)
	return &server
}

// URL is the DSN of a login that may create databases and roles, a superuser on a server that Start started. With an
// empty name the database is the one to administer from.
func (s *Server) URL(database string) string {
	return s.endpoint.with(database, "", "")
}

// URLFor is the DSN of another login. An empty password is left out, which suits a server where Trusts is true.
func (s *Server) URLFor(database, user, password string) string {
	return s.endpoint.with(database, user, password)
}

// Trusts tells whether the server lets every login in without a password, because only the account that runs it can
// reach its socket.
func (s *Server) Trusts() bool {
	return s.trust
}

// Superuser tells whether the login of URL is a superuser. Only one named by the environment may be none.
func (s *Server) Superuser() bool {
	return s.superuser
}

// Source tells where the server came from.
func (s *Server) Source() Source {
	return s.source
}

// Folder is what is removed at the end: data, socket and log. Empty for a server named by the environment.
func (s *Server) Folder() string {
	return s.folder
}

// Close ends the server and removes its folder. A server named by the environment is left as it is. Further calls
// return what the first one did.
func (s *Server) Close() error {
	if s.stop == nil {
		return nil
	}
	return s.stop()
}
