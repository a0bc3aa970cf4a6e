package stratumtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stratum-hq/stratum-go/internal/pgserver"
)

// Each bounds one step of a test's set-up or cleanup, so that a stuck server fails the test instead of hanging it.
const (
	startTimeout = 5 * time.Minute
	stepTimeout  = time.Minute
)

// sharedServer is the server of all tests of a process.
type sharedServer struct {
	config pgserver.Config

	mu     sync.Mutex
	server *Server
	err    error
}

//nolint:gochecknoglobals // A test binary is one process, and one server for all its tests is what makes them fast.
var shared sharedServer

// get starts the server on first use. A failed start is remembered: the next test would fail the same way, only later.
func (s *sharedServer) get(ctx context.Context) (*Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil && s.err == nil {
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		s.server, s.err = start(ctx, s.config)
	}
	return s.server, s.err
}

// close ends the server if there is one. A later test would start another.
func (s *sharedServer) close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	defer func() { s.server = nil }()
	return s.server.Close(ctx)
}

// EmptyDatabase gives the test a fresh database with nothing in it, dropped when the test ends together with its
// logins and every role whose name begins with the database's name and an underscore. The first call of a process
// starts the server. Without a server the test fails. Tests may call it in parallel.
func EmptyDatabase(tb testing.TB) *Database {
	tb.Helper()
	return shared.database(tb, emptyTemplate, nil)
}

// database gives the test a copy of a template.
func (s *sharedServer) database(tb testing.TB, template string, prepare prepareFunc) *Database {
	tb.Helper()
	// The server and the template outlive the test that came first.
	ctx := context.WithoutCancel(tb.Context())
	server, err := s.get(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	createCtx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	database, err := server.createFrom(createCtx, "", template, prepare)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		dropCtx, cancel := context.WithTimeout(ctx, stepTimeout)
		defer cancel()
		if err := server.drop(dropCtx, database.Name); err != nil {
			tb.Error(err)
		}
	})
	return database
}

// Main is the TestMain of a package whose tests use a database: it runs the tests, ends the server, looks for leaked
// goroutines if the tests passed, and exits.
//
//	func TestMain(m *testing.M) {
//		stratumtest.Main(m)
//	}
//
// Options are goleak's, such as goleak.IgnoreTopFunction. Without Main the server ends all the same, a moment after
// the process.
func Main(m goleak.TestingM, options ...goleak.Option) {
	goleak.VerifyTestMain(closing{m}, options...)
}

// closing ends the server between the tests and the look for leaks.
type closing struct {
	tests goleak.TestingM
}

// Run is called by goleak.
func (c closing) Run() int {
	code := c.tests.Run()
	//nolint:forbidigo // TestMain has no context to pass on.
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if err := shared.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
