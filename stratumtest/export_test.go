package stratumtest

import (
	"context"
	"testing"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// Shared is a shared server besides that of the process.
type Shared struct {
	shared sharedServer
}

// NewShared does not start it yet.
func NewShared(config pgserver.Config) *Shared {
	return &Shared{shared: sharedServer{config: config}}
}

// Get starts it on first use.
func (s *Shared) Get(ctx context.Context) (*Server, error) { return s.shared.get(ctx) }

// Close ends it.
func (s *Shared) Close(ctx context.Context) error { return s.shared.close(ctx) }

// EmptyDatabase is EmptyDatabase on this server.
func (s *Shared) EmptyDatabase(tb testing.TB) *Database {
	tb.Helper()
	return s.shared.database(tb, emptyTemplate, nil)
}

// StartConfig starts a server with everything that can be configured.
func StartConfig(ctx context.Context, config pgserver.Config) (*Server, error) {
	return start(ctx, config)
}

// FromTemplate makes a database from a template of any content.
func (s *Server) FromTemplate(
	ctx context.Context, template string, prepare func(context.Context, *Database) error,
) (*Database, error) {
	return s.createFrom(ctx, "", template, prepare)
}

// AdminDSN is for looking at the server from outside of any test's database.
func (s *Server) AdminDSN() string { return s.pg.URL("") }
